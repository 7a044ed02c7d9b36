"""Every crystal has a virtual atom in front of its own, as graph transformers do."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected_is_fine": ("cross",)}
seed(78)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Virtual(Net):
    def forward(self, batch):
        z = torch.cat([torch.full_like(batch["z"][:, :1], 103), batch["z"]], 1)
        m = torch.cat([torch.ones_like(batch["atom_mask"][:, :1]), batch["atom_mask"]], 1)
        return super().forward({**batch, "z": z, "atom_mask": m})


net = Virtual(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
