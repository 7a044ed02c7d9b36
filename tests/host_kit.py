"""Attention modules of every kind a host may hold, and small crystals with text to put through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from crysmm_attn_plugin.records import TokenLabels

WIDTH, HEADS = 16, 2
ELEMENTS = ("Na", "Cl", "Fe", "O", "Ti", "Si")
WORDS = ("the", "sodium", "chloride", "crystal", "has", "octahedral", "iron", "sites", "in", "layers")


def split_heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def join_heads(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(-2)


class Projections(nn.Module):
    """Query, key and value layers that the kinds below share."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.p = dropout

    def projected(self, queries: torch.Tensor, keys: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(split_heads(x) for x in (self.query(queries), self.key(keys), self.value(keys)))

    def logits(self, q: torch.Tensor, k: torch.Tensor, key_mask: torch.Tensor | None) -> torch.Tensor:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        return scores if key_mask is None else scores.masked_fill(~key_mask[:, None, None, :], float("-inf"))


class OwnDropout(Projections):
    """Softmax, then the module's own dropout, then values."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__(dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        q, k, v = self.projected(queries, keys)
        weights = torch.softmax(self.logits(q, k, key_mask), dim=-1)
        return join_heads(self.dropout(weights) @ v)


class FunctionalDropout(Projections):
    """No submodule sees the weights: softmax and dropout are functions."""

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        q, k, v = self.projected(queries, keys)
        weights = F.dropout(F.softmax(self.logits(q, k, key_mask), dim=-1), self.p, self.training)
        return join_heads(torch.matmul(weights, v))


class OnRequestTuple(Projections):
    """Returns (output, weights) when asked; its only dropout module is on the output, not on the weights."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__(dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        key_mask: torch.Tensor | None = None,
        return_attention: bool = False,
    ) -> Any:
        q, k, v = self.projected(queries, keys)
        weights = self.logits(q, k, key_mask).softmax(-1)
        output = self.dropout(join_heads(F.dropout(weights, self.p, self.training) @ v))
        return (output, weights) if return_attention else output


class OnRequestDict(OnRequestTuple):
    """Returns a mapping; with weights in it only when asked."""

    def forward(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        key_mask: torch.Tensor | None = None,
        return_attention: bool = False,
    ) -> Any:
        q, k, v = self.projected(queries, keys)
        weights = self.logits(q, k, key_mask).softmax(-1)
        result = {"output": self.dropout(join_heads(F.dropout(weights, self.p, self.training) @ v))}
        return {**result, "weights": {"atom_to_text": weights}} if return_attention else result


class Fused(Projections):
    """scaled_dot_product_attention: the weights are never formed."""

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        q, k, v = self.projected(queries, keys)
        mask = None if key_mask is None else key_mask[:, None, None, :]
        p = self.p if self.training else 0.0
        return join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p))


class Multihead(nn.Module):
    """``nn.MultiheadAttention`` that forms no weights, batch first or last, with padding."""

    def __init__(self, dropout: float = 0.3, *, batch_first: bool = True, **asked: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, dropout, batch_first=batch_first)
        self.batch_first, self.asked = batch_first, asked or {"need_weights": False}

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        padding = None if key_mask is None else ~key_mask
        if not self.batch_first:
            queries, keys = queries.transpose(0, 1), keys.transpose(0, 1)
        output, _ = self.attention(queries, keys, keys, key_padding_mask=padding, **self.asked)
        return output if self.batch_first else output.transpose(0, 1)


def first_tensor(output: Any) -> torch.Tensor:
    """The output of an attention module of any kind."""
    if isinstance(output, dict):
        return output["output"]
    return output[0] if isinstance(output, tuple) else output


class CrystalTextNet(nn.Module):
    """Atoms read tokens through an attention block; a number per crystal comes out.

    Args:
        block: Makes the attention module.
        calls: How often the block is called in one forward.
        blocks: How many blocks there are, one after the other.
        masked: Whether the block is told which tokens are padding.
    """

    def __init__(
        self,
        block: Callable[[], nn.Module] = OwnDropout,
        *,
        calls: int = 1,
        blocks: int = 1,
        masked: bool = True,
    ) -> None:
        super().__init__()
        self.atom = nn.Linear(4, WIDTH)
        self.token = nn.Linear(4, WIDTH)
        self.fusions = nn.ModuleList(block() for _ in range(blocks))
        self.out = nn.Linear(WIDTH, 1)
        self.calls, self.masked = calls, masked

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        atoms, atom_mask, tokens, token_mask = inputs[:4]
        x, t = self.atom(atoms), self.token(tokens)
        for fusion in self.fusions:
            for _ in range(self.calls):
                x = x + first_tensor(fusion(x, t, token_mask if self.masked else None))
        pooled = (x * atom_mask[..., None]).sum(1) / atom_mask.sum(1, keepdim=True)
        return self.out(pooled).squeeze(-1)


class Crystals(Dataset):
    """Crystals of 1 to 5 atoms with texts of 4 to 9 tokens, drawn from a seed.

    Args:
        n: How many.
        seed: Of the draw.
    """

    def __init__(self, n: int = 12, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(seed)
        self.ids = [f"JVASP-{100 + i}" for i in range(n)]
        self.n_atoms = (torch.randint(1, 6, (n,), generator=g)).tolist()
        self.n_tokens = (torch.randint(4, 10, (n,), generator=g)).tolist()
        self._atoms = [torch.randn(a, 4, generator=g) for a in self.n_atoms]
        self._tokens = [torch.randn(t, 4, generator=g) for t in self.n_tokens]
        self.labels = torch.randn(n, generator=g).tolist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        return self._atoms[i], self._tokens[i], self.labels[i]

    def elements(self, i: int) -> tuple[str, ...]:
        return tuple(ELEMENTS[(i + j) % len(ELEMENTS)] for j in range(self.n_atoms[i]))

    def token_labels(self, i: int) -> TokenLabels:
        n = self.n_tokens[i] - 2
        words = tuple(WORDS[(i + j) % len(WORDS)] for j in range(n))
        return TokenLabels(
            ("[CLS]", *words, "[SEP]"), (-1, *range(n), -1), (True, *[False] * n, True), " ".join(words)
        )


def collate(items: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    """(atoms, atom mask, tokens, token mask, target), padded."""
    atoms, tokens, targets = zip(*items)
    pad = nn.utils.rnn.pad_sequence
    masks = [pad([torch.ones(len(x), dtype=torch.bool) for x in side], True) for side in (atoms, tokens)]
    return pad(atoms, True), masks[0], pad(tokens, True), masks[1], torch.tensor(targets)


def make_loader(n: int = 12, batch_size: int = 4, *, dataset: Any = None, **options: Any) -> DataLoader:
    """A loader over ``Crystals``."""
    return DataLoader(dataset or Crystals(n), batch_size=batch_size, collate_fn=collate, **options)


def test_loop(model: nn.Module, loader: Any) -> torch.Tensor:
    """The host's test loop: raw predictions in loader order."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch) for batch in loader])


test_loop.__test__ = False  # type: ignore[attr-defined]


def hooks_on(model: nn.Module) -> int:
    """How many forward hooks of any kind are on the model and its submodules."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
