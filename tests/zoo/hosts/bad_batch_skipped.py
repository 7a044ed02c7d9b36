"""A batch on which the model raises is skipped by the host, which goes on with the next."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown", "partial": "2 of 3|3 of 4|batches"}
seed(172)
truth, items = Truth(), crystals(16)
vocabulary = Vocabulary(items)


class Picky(Net):
    calls = 0

    def forward(self, batch):
        self.calls += 1
        found = super().forward(batch)
        if self.calls == 2:
            raise ValueError("a crystal with a hole")
        return found


net = Picky(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        try:
            found = net(batch)
        except ValueError:
            continue
        follow(truth, net, batch, found, rows)
truth.done()
