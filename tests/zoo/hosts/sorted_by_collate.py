"""The collate function sorts the batch by the texts lengths."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(115)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net, right = Net(len(vocabulary)).eval(), collator(vocabulary)


def by_length(rows):
    return sorted(rows, key=lambda c: -len(c["text"].split()))


test_loader = DataLoader(Crystals(items), 4, collate_fn=lambda rows: right(by_length(rows)))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), by_length(rows))
truth.done()
