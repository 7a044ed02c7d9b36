"""What the same attention gives with fresh random projections: the baseline beside every metric.

No code of the host's runs a second time. While a pass is young, the linear layers of a module that forms attention are seen
with their inputs; where query and key of two of them give the module's own weights back, its arithmetic is known, and the
same inputs are put through projections drawn anew. Where they do not, there is no baseline.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading import layers

#: Linear layers remembered, and bytes of an input beyond which it is not kept.
REMEMBERED, LARGEST_INPUT = 16, 64 * 2**20
#: Largest difference of log weights that single precision explains, relative to their spread.
CLOSE = 1e-3


@dataclass(frozen=True)
class Layer:
    """One call of a linear layer: its input (..., features in), weight (features out, features in), bias or None."""

    given: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None


class LinearWatch:
    """Remembers the last linear layers, between ``start`` and ``stop``."""

    def __init__(self) -> None:
        self._last: deque[Layer] = deque(maxlen=REMEMBERED)

    def start(self) -> None:
        self._last.clear()
        layers.start(self)

    def stop(self) -> None:
        self._last.clear()
        layers.stop(self)

    def went_through(self, value: Any, weight: Any, bias: Any, *, linear: bool) -> None:
        if (
            linear
            and type(value) is torch.Tensor
            and isinstance(weight, torch.Tensor)
            and value.ndim in (2, 3)
        ):
            self._last.append(Layer(value.detach(), weight.detach(), bias))

    def of(self, owner: nn.Module | None) -> tuple[Layer, ...]:
        """The remembered layers whose weights are the owner's."""
        if owner is None or not self._last:
            return ()
        own = {p.untyped_storage().data_ptr() for p in owner.parameters()}
        return tuple(
            x
            for x in self._last
            if x.weight.untyped_storage().data_ptr() in own
            and x.given.numel() * x.given.element_size() <= LARGEST_INPUT
        )


@dataclass
class Projections:
    """Fresh weights in place of two layers that were found to make an attention.

    Attributes:
        query, key: (features out, features in) weights drawn anew.
        biases: Of both, or None.
        scale: Of the scores.
    """

    query: torch.Tensor
    key: torch.Tensor
    biases: tuple[torch.Tensor | None, torch.Tensor | None]
    scale: float
    places: tuple[int, int]

    def weights(self, layers: tuple[Layer, ...], like: torch.Tensor) -> torch.Tensor | None:
        """Attention with the fresh projections on the inputs of a call.

        Args:
            layers: Of the call, in order.
            like: (crystals, heads, queries, keys) weights of the host's; where they are 0 the fresh ones are.
        """
        if max(self.places) >= len(layers):
            return None
        q, k = (layers[i].given for i in self.places)
        scores = _scores(q, self.query, self.biases[0], k, self.key, self.biases[1], like)
        if scores is None:
            return None
        hidden = like <= 0
        scores = (scores * self.scale).masked_fill(hidden & ~hidden.all(-1, keepdim=True), float("-inf"))
        return torch.softmax(scores, -1)


def find_projections(layers: tuple[Layer, ...], weights: torch.Tensor, seed: int) -> Projections | None:
    """The two layers whose outputs make these weights, as fresh projections; None when no two do.

    Args:
        layers: Linear layers of the module before its softmax, in order.
        weights: (crystals, heads, queries, keys) of the host's.
        seed: Of the draw.
    """
    visible = (weights > 1e-30) & torch.isfinite(weights)
    logs = _centred(weights.float().clamp_min(1e-30).log(), visible)
    spread = float(logs.abs().max())
    if spread < 1e-6:
        return None
    for i, query in enumerate(layers):
        for j, key in enumerate(layers):
            if query.weight.shape[0] != key.weight.shape[0] or (i == j):
                continue
            scores = _scores(query.given, query.weight, query.bias, key.given, key.weight, key.bias, weights)
            if scores is None:
                continue
            mine = _centred(scores, visible)
            size = float((mine * mine).sum())
            if size == 0:
                continue
            scale = float((mine * logs).sum()) / size
            if float((logs - scale * mine).abs().max()) <= CLOSE * max(spread, 1.0):
                generator = torch.Generator("cpu").manual_seed(seed)
                return Projections(
                    _drawn(query.weight, query.weight.shape[1], generator),
                    _drawn(key.weight, key.weight.shape[1], generator),
                    tuple(
                        None if x.bias is None else _drawn(x.bias, x.weight.shape[1], generator)
                        for x in (query, key)
                    ),  # type: ignore[arg-type]
                    scale,
                    (i, j),
                )
    return None


def _drawn(like: torch.Tensor, features: int, generator: torch.Generator) -> torch.Tensor:
    """As ``nn.Linear`` draws its own: uniform between minus and plus one over the root of the features in."""
    bound = 1 / math.sqrt(features)
    fresh = torch.empty(like.shape, dtype=torch.float32, device="cpu").uniform_(
        -bound, bound, generator=generator
    )
    return fresh.to(like.device)


def _scores(
    q_in: torch.Tensor,
    q_weight: torch.Tensor,
    q_bias: torch.Tensor | None,
    k_in: torch.Tensor,
    k_weight: torch.Tensor,
    k_bias: torch.Tensor | None,
    like: torch.Tensor,
) -> torch.Tensor | None:
    """Q K^T a head, (crystals, heads, queries, keys); None when shapes do not allow it."""
    n, heads, queries, keys = like.shape
    q, k = _batch_first(q_in, n, queries), _batch_first(k_in, n, keys)
    if q is None or k is None or q_weight.shape[0] % heads:
        return None
    projected = []
    for value, weight, bias in ((q, q_weight, q_bias), (k, k_weight, k_bias)):
        if value.shape[-1] != weight.shape[1]:
            return None
        with busy.working():
            out = F.linear(value.float(), weight.float(), None if bias is None else bias.detach().float())
        projected.append(out.unflatten(-1, (heads, -1)).transpose(1, 2))
    scores: torch.Tensor = projected[0] @ projected[1].transpose(-1, -2)
    return scores


def _batch_first(value: torch.Tensor, n: int, length: int) -> torch.Tensor | None:
    if value.ndim == 2:
        return value[None] if n == 1 and value.shape[0] == length else None
    if tuple(value.shape[:2]) == (n, length):
        return value
    return value.transpose(0, 1) if tuple(value.shape[:2]) == (length, n) else None


def _centred(values: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """Rows less their mean over what is visible; zero elsewhere."""
    values = torch.where(visible, values, 0)
    count = visible.sum(-1, keepdim=True).clamp_min(1)
    return torch.where(visible, values - values.sum(-1, keepdim=True) / count, 0)
