"""The batch size is one."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(152)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 1, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 1)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
