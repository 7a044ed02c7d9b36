"""One batch's maps reduced on the device: metrics of every scope, per head and for head-averaged weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from crysmm_attn_plugin.capture.directions import real_mask
from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.metrics.attention import (
    MetricContext,
    attention_metrics,
    category_mass,
    padding_mass,
    without_padding,
)
from crysmm_attn_plugin.records import HEAD_MEAN_FIRST, AttentionCall, BatchIdentity
from crysmm_attn_plugin.words import ELEMENT, token_categories, token_elements

#: (with_special_tokens, stopwords_removed)
SCOPES = ((True, False), (False, False), (False, True))
PluginMetrics = Callable[..., Sequence[Mapping[str, torch.Tensor]]]


@dataclass
class Block:
    """Metrics of one call x scope x source for one batch.

    Attributes:
        call: The attention call (weights dropped).
        scope: (with_special_tokens, stopwords_removed).
        weights: ``model`` or ``reinitialised``.
        heads: Head index of each column of ``metrics``.
        metrics: Name -> (batch, len(heads)) tensors on the device.
        n_queries, n_keys: (batch,) tensors.
    """

    module: str
    number: int
    direction: str
    ids: tuple[str, ...]
    scope: tuple[bool, bool]
    weights: str
    heads: list[int]
    metrics: dict[str, torch.Tensor]
    n_queries: torch.Tensor
    n_keys: torch.Tensor


@dataclass
class Reduced:
    """Everything one call gave: blocks, the unpadded masks, and the mass that lay on padding."""

    blocks: list[Block]
    query_mask: torch.Tensor
    key_mask: torch.Tensor
    padding: torch.Tensor


class TokenMasks:
    """Token properties of a batch as (batch, tokens) tensors, laid out like the model's padding.

    Args:
        identity: The batch, with tokens.
        real: (batch, tokens) mask of real tokens.
    """

    def __init__(self, identity: BatchIdentity, real: torch.Tensor) -> None:
        assert identity.tokens is not None
        self._real = real
        self._identity = identity
        self._categories = [token_categories(t) for t in identity.tokens]
        flat = [c for row in self._categories for c in row]
        self.special = self._spread([s for t in identity.tokens for s in t.special])
        self.stop = self._spread([c == "function_word" for c in flat])
        self.punctuation = self._spread([c == "punctuation" for c in flat])

    def _spread(self, values: list[bool]) -> torch.Tensor:
        mask = torch.zeros_like(self._real)
        mask[self._real] = torch.tensor(values, dtype=torch.bool, device=self._real.device)
        return mask

    def categories(self, n_atoms: int) -> dict[str, torch.Tensor]:
        """Word category -> (batch, tokens) or, for element mentions, (batch, atoms, tokens) bool."""
        flat = [c for row in self._categories for c in row]
        masks = {
            name: self._spread([c == name for c in flat])
            for name in TOKEN_CATEGORIES
            if name not in ("own_element", "other_element")
        }
        own = torch.zeros(*self._real.shape[:1], n_atoms, self._real.shape[1], dtype=torch.bool)
        mention = torch.zeros_like(self._real, device="cpu")
        real = self._real.cpu()
        for i, (labels, elements) in enumerate(zip(self._identity.tokens or (), self._identity.elements)):
            places = real[i].nonzero().flatten()
            mentioned = token_elements(labels)
            kinds = self._categories[i]
            mention[i, places] = torch.tensor([k == ELEMENT for k in kinds], dtype=torch.bool)
            for symbol in set(elements):
                hits = torch.zeros(real.shape[1], dtype=torch.bool)
                hits[places] = torch.tensor([symbol in m.split() for m in mentioned], dtype=torch.bool)
                rows = torch.tensor([e == symbol for e in elements], dtype=torch.bool).nonzero().flatten()
                own[i, rows] = hits & mention[i]
        device = self._real.device
        own, mention = own.to(device), mention.to(device)
        return {"own_element": own, "other_element": mention[:, None, :] & ~own, **masks}


def reduce_call(
    call: AttentionCall,
    identity: BatchIdentity,
    *,
    weights_name: str = "model",
    plugin_metrics: PluginMetrics | None = None,
    wanted: frozenset[str] = frozenset(),
    head_mean: bool = True,
) -> Reduced:
    """Metrics of one call in every scope.

    Args:
        call: Weights and masks.
        identity: The batch.
        weights_name: ``model`` or ``reinitialised``.
        plugin_metrics: Called like the hook ``attn_batch_metrics``; returns one mapping per plugin.
        wanted: Metric names to keep; empty keeps all.
        head_mean: Also reduce the head-averaged weights (head index -1).

    Raises:
        ValueError: When a plugin's metric has the wrong shape or a built-in's name.
    """
    raw = call.weights
    device = raw.device
    atoms = list(identity.n_atoms)
    tokens = [len(t.tokens) for t in identity.tokens] if identity.tokens else None
    reads_text = call.direction == "atom_to_text"
    q_counts, k_counts = (atoms, tokens) if reads_text else (tokens, atoms)
    query_mask = real_mask(call.query_mask, q_counts, raw.shape[2], device)
    key_mask = real_mask(call.key_mask, k_counts, raw.shape[3], device)
    w, rows, keys = without_padding(raw, query_mask, key_mask)
    lost = padding_mass(raw, rows, keys)
    token_masks = TokenMasks(identity, keys if reads_text else rows) if identity.tokens else None
    blocks = []
    for special, no_stop in SCOPES if token_masks is not None else SCOPES[:1]:
        r, k = _scope(rows, keys, token_masks, reads_text, special, no_stop)
        scoped, r, k = without_padding(w, r, k)
        stacked = torch.cat([scoped, scoped.mean(1, keepdim=True)], dim=1) if head_mean else scoped
        heads = [*range(scoped.shape[1]), *([HEAD_MEAN_FIRST] if head_mean else [])]
        metrics = attention_metrics(stacked, r, k)
        context = MetricContext(call.module, call.direction, special, no_stop, identity)
        if reads_text and token_masks is not None:
            metrics |= {
                "special_mass": category_mass(stacked, r, token_masks.special),
                "stopword_mass": category_mass(stacked, r, token_masks.stop),
                "punctuation_mass": category_mass(stacked, r, token_masks.punctuation),
            }
            categories = token_masks.categories(w.shape[2])
            metrics |= {f"mass_{n}": category_mass(stacked, r, m) for n, m in categories.items()}
            context = MetricContext(call.module, call.direction, special, no_stop, identity, categories)
        if plugin_metrics is not None:
            for found in plugin_metrics(weights=stacked, query_mask=r, key_mask=k, context=context):
                metrics |= _checked(found, metrics, (stacked.shape[0], stacked.shape[1]))
        if wanted:
            metrics = {n: x for n, x in metrics.items() if n in wanted}
        blocks.append(
            Block(
                call.module,
                call.call,
                call.direction,
                identity.ids,
                (special, no_stop),
                weights_name,
                heads,
                metrics,
                r.sum(-1),
                k.sum(-1),
            )
        )
    return Reduced(blocks, rows, keys, lost)


def _scope(
    rows: torch.Tensor,
    keys: torch.Tensor,
    masks: TokenMasks | None,
    reads_text: bool,
    special: bool,
    no_stop: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and key masks of a scope: tokens drop out of whichever side they are on."""
    if masks is None or (special and not no_stop):
        return rows, keys
    out = masks.special
    if no_stop:
        out = out | masks.stop | masks.punctuation
    return (rows, keys & ~out) if reads_text else (rows & ~out, keys)


def _checked(
    found: Mapping[str, Any], known: Mapping[str, Any], shape: tuple[int, int]
) -> dict[str, torch.Tensor]:
    for name, value in found.items():
        if name in known:
            raise ValueError(f"a plugin's metric {name!r} has the name of one that is there already")
        if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape:
            got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(f"a plugin's metric {name!r} must be a tensor of shape {shape}, got {got}")
    return dict(found)
