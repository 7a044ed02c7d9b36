"""Attention in chunks of queries: several softmax calls of one line a batch, each over some of the atoms."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "."}
seed(66)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Chunked(nn.Module):
    def __init__(self, d, chunk=3):
        super().__init__()
        self.q, self.k, self.chunk = nn.Linear(d, d), nn.Linear(d, d), chunk

    def forward(self, atoms, words, mask):
        q, k, found = self.q(atoms), self.k(words), []
        for part in q.split(self.chunk, 1):
            found.append((part @ k.mT / 4).masked_fill(~mask[:, None], float("-inf")).softmax(-1))
        w = torch.cat(found, 1)
        self.kept = w[:, None]
        return w @ words


net = Net(len(vocabulary), attention=Chunked).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
