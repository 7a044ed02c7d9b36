"""The host makes its batches by hand: there is no loader."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed

ZOO = {"outcome": "either", "says": "DataLoader"}
seed(109)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net, collate = Net(len(vocabulary)).eval(), collator(vocabulary)
with torch.no_grad():
    for rows in batches(items, 4):
        batch = collate(rows)
        follow(truth, net, batch, net(batch), rows)
truth.done()
