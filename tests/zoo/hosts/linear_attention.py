"""Attention whose softmax runs over features, not over keys: it forms no map."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ("cross",)}
seed(106)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Features(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        q, k = self.q(atoms).softmax(-1), self.k(words).masked_fill(~mask[..., None], -1e9).softmax(1)
        return q @ (k.mT @ words)


net = Net(len(vocabulary), attention=Features).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, None)
truth.done()
