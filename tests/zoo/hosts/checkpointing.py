"""Gradient checkpointing around the fusion, with gradients on in the test pass and no step."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "modules_end_with": True}
seed(56)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()


class Again(torch.nn.Module):
    def forward(self, batch):
        return checkpoint(net, batch, use_reentrant=False)


model = Again()
model.net = net
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.enable_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, model(batch), rows, module="net.cross")
truth.done()
