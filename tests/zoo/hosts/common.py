"""Shared by hosts whose point is not the model: padded batches with ``z``, word ids of an own vocabulary, and nets."""

from __future__ import annotations

import torch
from kit import Truth, pad, real
from torch import nn
from torch.utils.data import Dataset


class Vocabulary:
    """A host's own tokenizer: words at blanks."""

    def __init__(self, items):
        self.words = ["<pad>", *sorted({w for c in items for w in c["text"].split()})]
        self.number = {w: i for i, w in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def encode(self, text):
        return [self.number[w] for w in text.split()]


class Crystals(Dataset):
    """Items as they are; ids beside them."""

    def __init__(self, items):
        self.items = items
        self.ids = [c["id"] for c in items]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collator(vocabulary):
    """A collate function: z and token ids padded with zeros, masks True where real."""

    def collate(rows):
        ids = [vocabulary.encode(c["text"]) for c in rows]
        z = [c["z"] for c in rows]
        return {"z": pad(z), "atom_mask": real(z), "input_ids": pad(ids), "token_mask": real(ids),
                "target": torch.tensor([c["target"] for c in rows])}  # fmt: skip

    return collate


class CrossAttention(nn.Module):
    """Atoms read words; a mask fills padded words with a large negative number."""

    def __init__(self, d=16, heads=2):
        super().__init__()
        self.h, self.q, self.k, self.v = heads, nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        scores = q @ k.transpose(-1, -2) / (d // self.h) ** 0.5
        w = scores.masked_fill(~word_mask[:, None, None], float("-inf")).softmax(-1)
        self.kept = w.detach()
        return (w @ v).transpose(1, 2).reshape(b, n, d)


class Net(nn.Module):
    """Embeddings, one cross attention, a mean, a number."""

    def __init__(self, n_words, d=16, attention=CrossAttention):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(n_words, d)
        self.cross, self.out = attention(d), nn.Linear(d, 1)

    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["atom_mask"]
        x = x + self.cross(x, t, batch["token_mask"])
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


def follow(truth: Truth, net, batch, prediction, rows, *, words=True, module="cross", weights=None):
    """Write down what a pass over one batch of ``Net`` really was."""
    truth.predict(prediction)
    truth.crystal(rows, [c["text"].split() for c in rows] if words else None)
    a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
    w = net.cross.kept if weights is None else weights
    truth.attention(module, "atom_to_text", w, a, t, items=rows)


def batches(items, size):
    """The rows of each batch, in order."""
    return [items[i : i + size] for i in range(0, len(items), size)]
