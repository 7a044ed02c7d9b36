"""Flat atoms, each reading the padded words of its own crystal: scores ``[sum of atoms, heads, longest text]``."""

import torch
from common import Crystals, Vocabulary, batches
from kit import Truth, crystals, flat, pad, real, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(15)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Gathered(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)

    def forward(self, x, t, keep, owner):
        q = self.q(x).view(len(x), 2, 1, -1)
        k, v = (y.unflatten(-1, (2, -1)).transpose(1, 2)[owner] for y in self.kv(t).chunk(2, -1))
        s = (q * k).sum(-1) / 8**0.5  # atoms x heads x words
        w = s.masked_fill(~keep[owner][:, None], float("-inf")).softmax(-1)
        self.kept = w
        return x + (w[..., None] * v).sum(2).flatten(1)


class Flat(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.gathered, self.out = Gathered(d), nn.Linear(d, 1)

    def forward(self, z, owner, ids, keep):
        x = self.gathered(self.atom(z), self.word(ids), keep, owner)
        return self.out(torch.zeros(len(ids), 16).index_add(0, owner, x) / torch.bincount(owner)[:, None])[
            :, 0
        ]


def collate(rows):
    ids = [vocabulary.encode(c["text"]) for c in rows]
    n = torch.tensor([len(c["z"]) for c in rows])
    owner = torch.repeat_interleave(torch.arange(len(rows)), n)
    return flat(c["z"] for c in rows), owner, pad(ids), real(ids)


net = Flat().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for (z, owner, ids, keep), rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(z, owner, ids, keep))
        truth.crystal(rows, [c["text"].split() for c in rows])
        for i, c in enumerate(rows):
            w = net.gathered.kept[owner == i].transpose(0, 1)[None]
            truth.attention("gathered", "atom_to_text", w, w.shape[2:3], keep.sum(1)[i : i + 1], items=[c])
truth.done()
