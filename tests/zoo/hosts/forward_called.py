"""The host calls forward itself."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(112)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.inference_mode():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net.forward(batch), rows)
truth.done()
