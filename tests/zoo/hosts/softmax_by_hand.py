"""A softmax written as exponentials over their sum: neither primitive is called, so the weights cannot be seen."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": r"softmax"}
seed(21)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class ByHand(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        s = (self.q(atoms) @ self.k(words).mT / 4).masked_fill(~mask[:, None], float("-inf"))
        e = torch.exp(s - s.amax(-1, keepdim=True))
        return (e / e.sum(-1, keepdim=True)) @ words


net = Net(len(vocabulary), attention=ByHand).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
