"""The loader yields indices; the host makes the batch itself."""

import torch
from common import Net, Vocabulary, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "ids": "position"}
seed(146)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net, right = Net(len(vocabulary)).eval(), collator(vocabulary)
test_loader = DataLoader(list(range(12)), 4, shuffle=True)
with torch.no_grad():
    for numbers in test_loader:
        rows = [items[i] for i in numbers.tolist()]
        batch = right(rows)
        follow(truth, net, batch, net(batch), rows)
truth.done()
