"""Trains over one unnamed loader, then tests over another one with gradients left on: nobody wrote no_grad."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(72)
truth, items = Truth(), crystals(20)
vocabulary = Vocabulary(items)
dl1, dl2 = (
    DataLoader(Crystals(part), 4, collate_fn=collator(vocabulary)) for part in (items[:12], items[12:])
)
net = Net(len(vocabulary))
optimizer = torch.optim.SGD(net.parameters(), 1e-2)
for _ in range(2):
    for i, batch in enumerate(dl1):
        (net(batch) - batch["target"]).abs().mean().backward()
        if i % 2:  # gradients of two batches make a step
            optimizer.step()
            optimizer.zero_grad()
net.eval()
for batch, rows in zip(dl2, batches(items[12:], 4)):
    follow(truth, net, batch, net(batch), rows)
truth.done()
