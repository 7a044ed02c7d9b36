"""The model sorts its batch inside, and every text is equally long: no mask, no length tells which row is whose."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "in another order than the batch"}
seed(64)
truth, items = Truth(), crystals(12)
for c in items:
    c["text"] = " ".join(c["text"].split()[:12])
vocabulary = Vocabulary(items)


class Sorting(Net):
    def forward(self, batch):
        order = batch["atom_mask"].sum(1).argsort(descending=True, stable=True)
        back = order.argsort()
        out = super().forward({k: v[order] for k, v in batch.items()})
        self.cross.kept = self.cross.kept[back]
        return out[back]


net = Sorting(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
