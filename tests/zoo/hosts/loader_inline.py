"""The loader is made in the loop line itself."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(37)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
order = items
with torch.no_grad():
    for batch, rows in zip(
        DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary)), batches(order, 4)
    ):
        follow(truth, net, batch, net(batch), rows)
truth.done()
