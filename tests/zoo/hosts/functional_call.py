"""The weights are handed over with the batch: torch.func.functional_call."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(111)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
weights = {k: v.detach() * 1.5 for k, v in net.named_parameters()}
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, torch.func.functional_call(net, weights, (batch,)), rows)
truth.done()
