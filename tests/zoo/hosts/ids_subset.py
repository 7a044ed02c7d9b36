"""A Subset of a data set that has ids, its positions out of order."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader, Subset

ZOO = {"elements": "true"}
seed(30)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
chosen = [11, 2, 7, 3, 13, 0, 5, 9, 8]
order = [items[i] for i in chosen]
test_loader = DataLoader(Subset(Crystals(items), chosen), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(order, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
