"""One batch's maps reduced: metrics of every scope, per head and for head-averaged weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from crysmm_attn_plugin.capture.batch_words import SCOPES, BatchWords
from crysmm_attn_plugin.capture.padded_rows import padded_scopes, reduce_padded
from crysmm_attn_plugin.capture.real_rows import reduce_real
from crysmm_attn_plugin.metrics.attention import MetricContext
from crysmm_attn_plugin.metrics.padded import check_shapes
from crysmm_attn_plugin.records import HEAD_MEAN_FIRST, AttentionCall, BatchIdentity

log = logging.getLogger("crysmm_attn")

#: The hook ``attn_batch_metrics``: one mapping a plugin.
PluginMetrics = Callable[..., Sequence[Mapping[str, torch.Tensor]]]
#: Told the name of a plugin's metric and why it is left out.
OnFault = Callable[[str, str], None]


@dataclass(frozen=True)
class Block:
    """Metrics of one call for one batch.

    Attributes:
        module, number, direction: The attention call.
        ids: Crystals, length B.
        weights: ``model`` or ``reinitialised``.
        scopes: (with_special_tokens, stopwords_removed) of each scope.
        heads: Head index of each head, -1 for head-averaged weights.
        names: Metric names.
        values: (B, scopes, heads, names) float32, NaN where not defined: a numpy array, or a tensor on the device.
        n_queries, n_keys: (B, scopes) int32, of the same kind.
        known: (B, scopes) bool numpy array: False where the crystal's tokens are unknown, so that it has no such row.
    """

    module: str
    number: int
    direction: str
    ids: tuple[str, ...]
    weights: str
    scopes: tuple[tuple[bool, bool], ...]
    heads: tuple[int, ...]
    names: tuple[str, ...]
    values: Any
    n_queries: Any
    n_keys: Any
    known: np.ndarray


@dataclass(frozen=True)
class Reduced:
    """Everything one call gave.

    Attributes:
        block: Its metrics.
        query_mask, key_mask: (B, queries) and (B, keys) bool tensors, True where real.
        padding: Largest share of a real row that lay on padding: a number, or a 0-d tensor on the device.
    """

    block: Block
    query_mask: torch.Tensor
    key_mask: torch.Tensor
    padding: Any

    @property
    def blocks(self) -> list[Block]:
        return [self.block]


def reduce_call(
    call: AttentionCall,
    identity: BatchIdentity,
    *,
    words: BatchWords | None = None,
    weights_name: str = "model",
    plugin_metrics: PluginMetrics | None = None,
    wanted: frozenset[str] = frozenset(),
    head_mean: bool = True,
    on_fault: OnFault | None = None,
) -> Reduced:
    """Metrics of one call in every scope.

    Args:
        call: Weights and masks. Without a mask the first atoms or tokens of a row are real, as many as its crystal has;
            where that is unknown, all are. A call without direction gets the metrics that need no words.
        identity: The batch; elements and tokens, or those of single crystals, may be unknown.
        words: The batch's words, shared by its calls; made here when None.
        weights_name: ``model`` or ``reinitialised``.
        plugin_metrics: Called like the hook ``attn_batch_metrics``; returns one mapping per plugin. None where no plugin
            implements it.
        wanted: Metric names to keep; empty keeps all. What is not wanted is not computed.
        head_mean: Also reduce the head-averaged weights (head index -1).
        on_fault: Told of a plugin's metric that is left out; a log line when None.

    Raises:
        ValueError: When masks do not fit the weights, or a crystal's tokens its mask.
    """
    words = BatchWords(identity) if words is None else words
    weights = call.weights.detach()
    check_shapes(weights, call.query_mask, call.key_mask)
    counts = {
        "atom_to_text": (words.atom_counts(), words.token_counts()),
        "text_to_atom": (words.token_counts(), words.atom_counts()),
    }.get(call.direction, (None, None))
    query_mask = real_mask(call.query_mask, counts[0], weights.shape[0], weights.shape[2], weights.device)
    key_mask = real_mask(call.key_mask, counts[1], weights.shape[0], weights.shape[3], weights.device)
    call = replace(call, weights=weights, query_mask=query_mask, key_mask=key_mask)
    heads = (*range(weights.shape[1]), *([HEAD_MEAN_FIRST] if head_mean else []))
    scopes = SCOPES if call.direction and words.any_known else SCOPES[:1]
    reduce = reduce_real if weights.device.type == "cpu" else reduce_padded
    found = reduce(call, words, scopes, wanted=wanted, head_mean=head_mean)
    names, values = list(found.names), [found.values]
    if plugin_metrics is not None:
        extra = _plugin_values(
            call, words, scopes, plugin_metrics, set(names), wanted, head_mean, on_fault or _tell
        )
        names += extra
        shape = found.values.shape[:3]
        for value in extra.values():
            stacked = torch.stack([v.to(torch.float32) for v in value], dim=1).reshape(*shape, 1)
            values.append(stacked.cpu().numpy() if isinstance(found.values, np.ndarray) else stacked)
    joined = np.concatenate(values, -1) if isinstance(found.values, np.ndarray) else torch.cat(values, -1)
    known = np.array([[i == 0 or c is not None for i in range(len(scopes))] for c in words.crystals], bool)
    block = Block(
        call.module,
        call.call,
        call.direction,
        tuple(identity.ids),
        weights_name,
        scopes,
        heads,
        tuple(names),
        joined,
        found.n_queries,
        found.n_keys,
        known,
    )
    return Reduced(block, query_mask, key_mask, found.padding)


def real_mask(
    given: torch.Tensor | None,
    counts: Sequence[int | None] | None,
    batch: int,
    length: int,
    device: torch.device,
) -> torch.Tensor:
    """(batch, length) bool mask of real positions; moved to the device without waiting for it."""
    if given is not None:
        return given.to(device=device, dtype=torch.bool, non_blocking=True)
    if counts is None or all(c is None for c in counts):
        return torch.ones(batch, length, dtype=torch.bool, device=device)
    known = np.array([length if c is None else c for c in counts])
    mask = torch.from_numpy(np.arange(length) < known[:, None])
    return mask if device.type == "cpu" else mask.pin_memory().to(device, non_blocking=True)


def _plugin_values(
    call: AttentionCall,
    words: BatchWords,
    scopes: Sequence[tuple[bool, bool]],
    plugin_metrics: PluginMetrics,
    taken: set[str],
    wanted: frozenset[str],
    head_mean: bool,
    on_fault: OnFault,
) -> dict[str, list[torch.Tensor]]:
    """Metrics of the hook ``attn_batch_metrics``: name -> one (B, heads) tensor a scope; faulty ones are left out."""
    gathered: dict[str, dict[int, torch.Tensor]] = {}
    faulty: set[str] = set()
    shape: tuple[int, int] = (0, 0)
    for s, scope in enumerate(padded_scopes(call, words, scopes, head_mean=head_mean)):
        shape = (scope.weights.shape[0], scope.weights.shape[1])
        special, no_stop = scopes[s]
        context = MetricContext(
            call.module, call.direction, special, no_stop, words.identity, scope.categories
        )
        seen: set[str] = set()
        for found in plugin_metrics(
            weights=scope.weights, query_mask=scope.rows, key_mask=scope.keys, context=context
        ):
            for name, value in _items(found, on_fault):
                why = _fault(name, value, shape, taken | seen)
                if why:
                    on_fault(str(name), why)
                    if name not in taken | seen:
                        faulty.add(name)
                elif not wanted or name in wanted:
                    seen.add(name)
                    gathered.setdefault(name, {})[s] = value.detach().to(call.weights.device)
    missing = torch.full(shape, float("nan"), device=call.weights.device)
    return {
        name: [values.get(s, missing) for s in range(len(scopes))]
        for name, values in gathered.items()
        if name not in faulty
    }


def _items(found: Any, on_fault: OnFault) -> list[tuple[Any, Any]]:
    if isinstance(found, Mapping):
        return list(found.items())
    on_fault("", f"a plugin's metrics must be a mapping of names to tensors, got {type(found).__name__}")
    return []


def _fault(name: Any, value: Any, shape: tuple[int, int], taken: set[str]) -> str:
    """Why a plugin's metric cannot be kept, or empty."""
    if not isinstance(name, str) or not name:
        return f"the name of a plugin's metric must be text, got {name!r}"
    if name in taken:
        return f"a plugin's metric {name!r} has the name of one that is there already"
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape:
        got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        return f"a plugin's metric {name!r} must be a tensor of shape {shape}, got {got}"
    if value.is_complex() or value.is_quantized:
        return f"a plugin's metric {name!r} must hold real numbers, got {value.dtype}"
    return ""


def _tell(name: str, why: str) -> None:
    log.warning("%s; it is left out", why)
