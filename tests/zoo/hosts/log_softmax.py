"""Weights are exponentials of a log-softmax."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "softmax"}
seed(84)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Log(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        s = (self.q(atoms) @ self.k(words).mT / 4).masked_fill(~mask[:, None], float("-inf"))
        w = torch.log_softmax(s, -1).exp()
        self.kept = w[:, None]
        return w @ words


net = Net(len(vocabulary), attention=Log).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
