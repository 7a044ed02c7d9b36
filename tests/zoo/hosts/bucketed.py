"""A batch sampler puts crystals of like size together, in an order of its own."""

import torch
from common import Crystals, Net, Vocabulary, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(114)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
order = sorted(range(len(items)), key=lambda i: len(items[i]["text"].split()))
sampler = [order[i : i + 4] for i in range(0, 12, 4)][::-1]
test_loader = DataLoader(Crystals(items), batch_sampler=sampler, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, numbers in zip(test_loader, sampler):
        follow(truth, net, batch, net(batch), [items[i] for i in numbers])
truth.done()
