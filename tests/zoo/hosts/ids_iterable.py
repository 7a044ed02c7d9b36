"""An IterableDataset whose items have no ids."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader, IterableDataset

ZOO = {"elements": "true", "ids": "position"}
seed(35)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
order = items


class Stream(IterableDataset):
    def __iter__(self):
        yield from items


test_loader = DataLoader(Stream(), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(order, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
