"""Batches come from a generator function over the items."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed

ZOO = {"outcome": "either", "says": "DataLoader"}
seed(110)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net, collate = Net(len(vocabulary)).eval(), collator(vocabulary)


def test_batches():
    for rows in batches(items, 4):
        yield collate(rows)


with torch.no_grad():
    for batch, rows in zip(test_batches(), batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
