"""Batches made by workers, pinned, and moved to an accelerator while the model is at work."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(301)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).to(where).eval()
test_loader = DataLoader(
    Crystals(items), 4, collate_fn=collator(vocabulary), num_workers=2, pin_memory=where == "cuda"
)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        batch = moved(batch, where)
        follow(truth, net, batch, net(batch), rows)
truth.done()
