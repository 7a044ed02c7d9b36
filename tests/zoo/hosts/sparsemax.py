"""Sparsemax instead of softmax: zeros inside a map, and neither primitive is called; a gate beside it does call softmax."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "softmax|attention"}
seed(158)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


def sparsemax(z):
    ordered = z.sort(-1, descending=True).values
    place = torch.arange(1, z.shape[-1] + 1)
    inside = (1 + place * ordered > ordered.cumsum(-1)).sum(-1, keepdim=True)
    tau = (ordered.cumsum(-1).gather(-1, inside - 1) - 1) / inside
    return (z - tau).clamp(min=0)


class Sparse(CrossAttention):
    def __init__(self, d=16):
        super().__init__(d)
        self.gate = nn.Linear(d, 2)

    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        w = sparsemax((q @ k.transpose(-1, -2)).masked_fill(~word_mask[:, None, None], -1e9))
        gate = self.gate(atoms).softmax(-1)
        return (w @ v).transpose(1, 2).reshape(b, n, d) * gate[..., :1]


net = Net(len(vocabulary), attention=Sparse).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
