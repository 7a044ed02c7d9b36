"""The weights are multiplied by a gate after the softmax, so the map is not what the values are mixed by."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(121)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Gated(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.g = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 1)

    def forward(self, atoms, words, mask):
        w = (self.q(atoms) @ self.k(words).mT / 4).masked_fill(~mask[:, None], -1e9).softmax(-1)
        self.kept = w[:, None]
        return (w * self.g(atoms).sigmoid()) @ words


net = Net(len(vocabulary), attention=Gated).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
