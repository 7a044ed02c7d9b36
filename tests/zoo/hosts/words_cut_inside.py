"""The model reads the first 14 words of every text only."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"undirected_is_fine": ("cross",), "elements": "true"}
seed(76)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Cut(Net):
    def forward(self, batch):
        return super().forward(
            {**batch, "input_ids": batch["input_ids"][:, :14], "token_mask": batch["token_mask"][:, :14]}
        )


net = Cut(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split()[:14] for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1).clamp(max=14)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
