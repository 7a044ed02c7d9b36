"""Scores laid out (batch, keys, queries, heads), the softmax over the second axis."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(79)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Odd(nn.Module):
    def __init__(self, d, heads=2):
        super().__init__()
        self.q, self.k, self.h = nn.Linear(d, d), nn.Linear(d, d), heads

    def forward(self, atoms, words, mask):
        b, n, d = atoms.shape
        q, k = self.q(atoms).view(b, n, self.h, -1), self.k(words).view(b, -1, self.h, d // self.h)
        s = torch.einsum("bkhd,bqhd->bkqh", k, q) / 3
        w = s.masked_fill(~mask[:, :, None, None], float("-inf")).softmax(1)
        self.kept = w.permute(0, 3, 2, 1)
        return torch.einsum("bkqh,bkhd->bqhd", w, words.view(b, -1, self.h, d // self.h)).reshape(b, n, d)


net = Net(len(vocabulary), attention=Odd).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
