"""Heads last: scores ``b q k h``, softmax over the third dimension."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(12)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class HeadsLast(nn.Module):
    def __init__(self, d, heads=2):
        super().__init__()
        self.h, self.q, self.k, self.v = heads, nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        q, k, v = (
            f(x).unflatten(-1, (self.h, -1)) for f, x in ((self.q, atoms), (self.k, words), (self.v, words))
        )
        s = torch.einsum("bqhd,bkhd->bqkh", q, k) / q.shape[-1] ** 0.5
        w = torch.softmax(s.masked_fill(~mask[:, None, :, None], -1e9), 2)
        self.kept = w.permute(0, 3, 1, 2)
        return torch.einsum("bqkh,bkhd->bqhd", w, v).flatten(2)


net = Net(len(vocabulary), attention=HeadsLast).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
