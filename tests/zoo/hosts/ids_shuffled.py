"""A test loader that shuffles, from a seed of its own."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(33)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
order = [items[i] for i in torch.randperm(14, generator=torch.Generator().manual_seed(7)).tolist()]
sampler = [items.index(c) for c in order]
test_loader = DataLoader(Crystals(items), 4, sampler=sampler, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(order, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
