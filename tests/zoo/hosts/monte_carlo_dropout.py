"""Ten passes with dropout over every batch; the mean is the prediction."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(117)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Dropping(Net):
    def forward(self, batch):
        out = super().forward(batch)
        return nn.functional.dropout(out, 0.3, self.training)


net = Dropping(len(vocabulary)).train()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, torch.stack([net(batch) for _ in range(10)]).mean(0), rows)
truth.done()
