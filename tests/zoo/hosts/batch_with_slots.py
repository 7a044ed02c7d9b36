"""A batch is an object with slots, without a dictionary of its own."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(164)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
collate = collator(vocabulary)


class Batch:
    __slots__ = ("atom_mask", "input_ids", "target", "token_mask", "z")

    def __init__(self, rows):
        for name, value in collate(rows).items():
            setattr(self, name, value)

    def __getitem__(self, name):
        return getattr(self, name)


net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=Batch)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
