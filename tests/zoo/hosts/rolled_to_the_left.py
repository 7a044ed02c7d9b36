"""The model moves the padding of its texts to the left."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "."}
seed(154)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Rolled(Net):
    def forward(self, batch):
        n, ids, mask = batch["token_mask"].sum(1), batch["input_ids"], batch["token_mask"]
        width = mask.shape[1]
        ids = torch.stack([row.roll(width - int(k)) for row, k in zip(ids, n)])
        mask = torch.stack([row.roll(width - int(k)) for row, k in zip(mask, n)])
        return super().forward({**batch, "input_ids": ids, "token_mask": mask})


net = Rolled(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        k = net.cross.kept
        for i, c in enumerate(rows):
            n = len(c["text"].split())
            truth.attention(
                "cross", "atom_to_text", k[i : i + 1, ..., k.shape[-1] - n :], [len(c["z"])], [n], items=[c]
            )
truth.done()
