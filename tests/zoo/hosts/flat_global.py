"""Flat atoms against flat words of the entire batch, other crystals' words masked away: ``[sum of atoms, tokens]``."""

import torch
from common import Crystals, Vocabulary, batches
from kit import Truth, crystals, flat, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "undirected_is_fine": ["block"]}  # nothing tells how many words a crystal has
seed(14)
truth, items = Truth(), crystals(11)
vocabulary = Vocabulary(items)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x, t, x_batch, t_batch):
        q, k, v = (
            f(y).view(len(y), 2, -1).transpose(0, 1) for f, y in ((self.q, x), (self.k, t), (self.v, t))
        )
        s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(
            x_batch[:, None] != t_batch[None], -1e9
        )
        self.kept = s.softmax(-1)  # heads x all atoms x all words
        return x + (self.kept @ v).transpose(0, 1).flatten(1)


class Flat(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.block, self.out = Block(d), nn.Linear(d, 1)

    def forward(self, z, batch, ids, text_batch):
        x = self.block(self.atom(z), self.word(ids), batch, text_batch)
        n = int(batch.max()) + 1
        return self.out(torch.zeros(n, 16).index_add(0, batch, x) / torch.bincount(batch)[:, None])[:, 0]


def collate(rows):
    ids = [vocabulary.encode(c["text"]) for c in rows]
    z = [c["z"] for c in rows]
    joined = [flat(r) for r in (z, ids)]
    index = [
        torch.repeat_interleave(torch.arange(len(r)), torch.tensor([len(x) for x in r])) for r in (z, ids)
    ]
    return joined[0], index[0], joined[1], index[1]


net = Flat().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for (z, b, ids, tb), rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(z, b, ids, tb))
        truth.crystal(rows, [c["text"].split() for c in rows])
        for i, c in enumerate(rows):
            w = net.block.kept[:, b == i][:, :, tb == i][None]
            truth.attention("block", "atom_to_text", w, w.shape[2:3], w.shape[3:], items=[c])
truth.done()
