"""The pass runs in bfloat16 autocast."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tolerance": 4e-3}
seed(55)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
model = net
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, model(batch), rows)
truth.done()
