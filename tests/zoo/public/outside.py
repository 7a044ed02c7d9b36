"""Shared by the hosts made of public packages: the plain host's batches, and weights worked out anew from projections."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

D, HEADS = 16, 2
seed(21)
truth, items = Truth(), crystals(12, atoms=(2, 8))
vocabulary = Vocabulary(items)


class Outputs:
    """Outputs of submodules in the last forward; only where the truth is asked for."""

    def __init__(self, module: nn.Module, *names: str) -> None:
        self.found: dict[str, torch.Tensor] = {}
        for name in names if truth.full else ():
            module.get_submodule(name).register_forward_hook(
                lambda _m, _i, out, name=name: self.found.update({name: out.detach()})
            )

    def weights(self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None, heads: int = HEADS):
        """softmax(q k / sqrt(d)) of (B, n, H d), in double precision; mask True where real."""
        q, k = (x.double().unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
        return scores.softmax(-1)


class Model(nn.Module):
    """Embeddings of atoms and words, a fusion of a package, a mean over atoms, a number."""

    def __init__(self, fuse: nn.Module) -> None:
        super().__init__()
        self.atom, self.word = nn.Embedding(104, D), nn.Embedding(len(vocabulary), D)
        self.fuse, self.out = fuse, nn.Linear(D, 1)

    def forward(self, batch):
        m = batch["atom_mask"]
        x = self.fuse(self.atom(batch["z"]), self.word(batch["input_ids"]), m, batch["token_mask"])
        if x.shape[1] != m.shape[1]:
            return self.out(x.mean(1))[:, 0]
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


def run(fuse: nn.Module, maps=lambda batch: (), *, words: bool = True, size: int = 4) -> Model:
    """The host's test loop; ``maps`` yields (module, direction, weights, queries, keys) of the batch just done."""
    net = Model(fuse).eval()
    test_loader = DataLoader(Crystals(items), size, collate_fn=collator(vocabulary))
    done = iter(batches(items, size))
    with torch.no_grad():
        for batch in test_loader:
            rows = next(done)
            truth.predict(net(batch))
            truth.crystal(rows, [c["text"].split() for c in rows] if words else None)
            if truth.full:
                for module, direction, weights, queries, keys in maps(batch):
                    truth.attention(module, direction, weights, queries, keys, items=rows)
    truth.done()
    return net


def counts(batch):
    """Real atoms and real words of each crystal."""
    return batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
