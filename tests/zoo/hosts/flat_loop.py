"""Atoms of a batch in one flat table; each crystal's own rows read its own words, one softmax a crystal."""

import torch
from common import Crystals, batches
from kit import Truth, crystals, flat, seed, wordpiece
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(13)
truth, items, tokenizer = Truth(), crystals(11), wordpiece()


class Flat(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(tokenizer), d)
        self.q, self.k, self.out = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 1)

    def forward(self, z, sizes, tokens):
        self.kept, pooled = [], []
        for x, ids in zip(self.atom(z).split(sizes), tokens):
            t = self.word(ids)
            w = (self.q(x) @ self.k(t).T / 4).softmax(-1)  # atoms x words
            self.kept.append(w[None, None])
            pooled.append((x + w @ t).mean(0))
        return self.out(torch.stack(pooled))[:, 0]


def collate(rows):
    return (flat(c["z"] for c in rows), [len(c["z"]) for c in rows],
            [torch.tensor(tokenizer(c["text"])["input_ids"]) for c in rows])  # fmt: skip


net = Flat().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for (z, sizes, tokens), rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(z, sizes, tokens))
        truth.crystal(rows, [tokenizer.convert_ids_to_tokens(ids.tolist()) for ids in tokens])
        for c, w in zip(rows, net.kept):
            truth.attention("*", "atom_to_text", w, w.shape[2:3], w.shape[3:], items=[c])
truth.done()
