"""Two data sets with ids, one after the other, the second one cut down to a Subset."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import ConcatDataset, DataLoader, Subset

ZOO = {"elements": "true"}
seed(32)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
second = Subset(Crystals(items[6:]), [5, 1, 3])
order = items[:6] + [items[6 + i] for i in (5, 1, 3)]
test_loader = DataLoader(ConcatDataset([Crystals(items[:6]), second]), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(order, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
