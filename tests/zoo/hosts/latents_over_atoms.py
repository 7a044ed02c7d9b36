"""Perceiver style: a fixed number of learned queries reads the atoms, and then the words; no atom ever reads a word."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "undirected": ["read_atoms", "read_words"]}
seed(2)
truth, items = Truth(), crystals(16, atoms=(2, 6))
vocabulary = Vocabulary(items)


class Reader(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)

    def forward(self, queries, memory, mask):
        k, v = self.kv(memory).chunk(2, -1)
        s = self.q(queries) @ k.transpose(1, 2) / 4
        w = s.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
        return queries + w @ v


class Perceiver(nn.Module):
    def __init__(self, d=16, n=5):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.latents = nn.Parameter(torch.randn(n, d))
        self.read_atoms, self.read_words, self.out = Reader(d), Reader(d), nn.Linear(d, 1)

    def forward(self, batch):
        x = self.latents.expand(len(batch["z"]), -1, -1)
        x = self.read_atoms(x, self.atom(batch["z"]), batch["atom_mask"])
        x = self.read_words(x, self.word(batch["input_ids"]), batch["token_mask"])
        return self.out(x.mean(1))[:, 0]


net = Perceiver().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
