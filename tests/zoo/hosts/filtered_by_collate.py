"""The collate function drops crystals of one atom."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(116)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net, right = Net(len(vocabulary)).eval(), collator(vocabulary)


def kept(rows):
    return [c for c in rows if len(c["z"]) != 2]


test_loader = DataLoader(Crystals(items), 4, collate_fn=lambda rows: right(kept(rows)))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), kept(rows))
truth.done()
