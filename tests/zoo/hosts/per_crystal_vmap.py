"""Attention written for one crystal and mapped over the batch with torch.func.vmap."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "."}
seed(72)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Mapped(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        def one(q, k, m):
            return (q @ k.mT / 4).masked_fill(~m[None], float("-inf")).softmax(-1)

        w = torch.func.vmap(one)(self.q(atoms), self.k(words), mask)
        self.kept = w[:, None]
        return w @ words


net = Net(len(vocabulary), attention=Mapped).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
