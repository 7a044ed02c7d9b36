"""A batch that does not go through (here: too many atoms) is caught and tried again in two halves, as hosts do out of memory."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(171)
truth, items = Truth(), crystals(16)
vocabulary = Vocabulary(items)


class Tight(Net):
    limit = 0

    def forward(self, batch):
        found = super().forward(batch)
        if batch["z"].numel() > self.limit:
            raise RuntimeError("out of memory")
        return found


net = Tight(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
Tight.limit = sorted(b["z"].numel() for b in test_loader)[-2]


def half(batch, part):
    return {k: v[part] for k, v in batch.items()}


with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        try:
            follow(truth, net, batch, net(batch), rows)
        except RuntimeError:
            for part in (slice(0, 2), slice(2, 4)):
                small = half(batch, part)
                follow(truth, net, small, net(small), rows[part])
truth.done()
