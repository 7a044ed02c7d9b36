"""The mask is applied after the softmax: weights are set to zero on padding and divided by their sum."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(75)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class After(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        w = (self.q(atoms) @ self.k(words).mT / 4).softmax(-1) * mask[:, None]
        w = w / w.sum(-1, keepdim=True)
        self.kept = w[:, None]
        return w @ words


net = Net(len(vocabulary), attention=After).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
