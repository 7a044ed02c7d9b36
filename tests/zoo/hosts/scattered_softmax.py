"""Flat pairs of atoms and words, their softmax by scatter (exp and sums by index): neither primitive."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "softmax"}
seed(83)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Scattered(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        s = self.q(atoms) @ self.k(words).mT / 4
        b, n, t = s.shape
        i = torch.arange(b * n).view(b, n, 1).expand(b, n, t)[mask[:, None].expand(b, n, t)]
        e = s[mask[:, None].expand(b, n, t)].exp()
        total = torch.zeros(b * n).index_add(0, i, e)
        w = torch.zeros(b, n, t)
        w[mask[:, None].expand(b, n, t)] = e / total[i]
        return w @ words


net = Net(len(vocabulary), attention=Scattered).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
