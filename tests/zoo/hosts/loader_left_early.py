"""A quick check of the first two batches (``break``) before the real pass over the same loader."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(177)
truth, items = Truth(), crystals(16)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for i, batch in enumerate(test_loader):
        net(batch)
        if i == 1:
            break
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
