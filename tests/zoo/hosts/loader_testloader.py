"""A few steps of training, then the pass over ``testloader``; two loaders, one model, no function around it."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(38)
truth, items = Truth(), crystals(20)
vocabulary = Vocabulary(items)
trainloader = DataLoader(Crystals(items[:12]), 4, shuffle=True, collate_fn=collator(vocabulary))
testloader = DataLoader(Crystals(items[12:]), 4, collate_fn=collator(vocabulary))
net = Net(len(vocabulary))
optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
for _ in range(2):
    for batch in trainloader:
        optimizer.zero_grad()
        (net(batch) - batch["target"]).abs().mean().backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    for batch, rows in zip(testloader, batches(items[12:], 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
