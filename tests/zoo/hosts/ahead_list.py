"""The whole loader is made a list first; the model runs over the list afterwards."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(61)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    every = list(test_loader)
    for batch, rows in zip(every, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
