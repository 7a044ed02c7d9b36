"""Concentration and variation of attention maps, per row over its real keys, then mean over real rows.

Sources: Shannon entropy; Hill numbers (Hill 1973); Gini coefficient with the n/(n-1) correction (Deltas 2003); total
variation distance. Half-precision weights are raised to single precision first (their row sums are off by up to 1e-3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from crysmm_attn_plugin.records import BatchIdentity


@dataclass(frozen=True)
class MetricContext:
    """What a metric plugin is told besides weights and masks.

    Attributes:
        module: Qualified module name.
        direction: ``atom_to_text`` or ``text_to_atom``.
        with_special_tokens: False when special tokens are out of the masks.
        stopwords_removed: True when stop words and punctuation are out as well.
        identity: Ids, elements and tokens of the batch.
        categories: Word category -> (batch, keys) or (batch, queries, keys) bool; atom_to_text only.
    """

    module: str
    direction: str
    with_special_tokens: bool
    stopwords_removed: bool
    identity: BatchIdentity
    categories: dict[str, torch.Tensor] = field(default_factory=dict)


def attention_metrics(
    weights: torch.Tensor,
    query_mask: torch.Tensor | None = None,
    key_mask: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Metrics of attention maps, one value per crystal and head.

    Args:
        weights: (batch, heads, queries, keys) after softmax; any floating type; on any device. Rows are renormalised
            over their real keys.
        query_mask: (batch, queries) bool, True where real; all real when None.
        key_mask: (batch, keys) bool, True where real; all real when None.

    Returns:
        Name -> (batch, heads) tensor, float32 (float64 for float64 weights): ``entropy`` (nats),
        ``normalized_entropy``, ``effective_tokens_hill``, ``effective_tokens_hill2``, ``effective_tokens_01``,
        ``max_weight``, ``gini``, ``between_atom_tv``. NaN where not defined: gini and normalised entropy over a
        single key, anything over no key or no row.

    Raises:
        ValueError: On shapes that do not fit.
    """
    w, rows, keys = without_padding(weights, query_mask, key_mask)
    n = keys.sum(-1).to(w.dtype)[:, None, None]  # (batch, 1, 1)
    nan = w.new_tensor(float("nan"))
    entropy = torch.special.entr(w).sum(-1)  # (batch, heads, queries)
    per_row = {
        "entropy": entropy,
        "normalized_entropy": torch.where(n > 1, entropy / n.log(), nan),
        "effective_tokens_hill": entropy.exp(),
        "effective_tokens_hill2": 1 / w.square().sum(-1),
        "effective_tokens_01": (w > 0.1).sum(-1).to(w.dtype),
        "max_weight": w.amax(-1),
        "gini": torch.where(n > 1, _gini(w, n), nan),
    }
    share = rows[:, None, :].to(w.dtype)
    count = share.sum(-1)
    real = rows[:, None, :]
    metrics = {name: torch.where(real, x, 0).sum(-1) / count for name, x in per_row.items()}
    metrics["between_atom_tv"] = _between_rows(w, rows)
    empty = (n[..., 0] == 0) | (count == 0)
    return {name: torch.where(empty, nan, x) for name, x in metrics.items()}


def without_padding(
    weights: torch.Tensor, query_mask: torch.Tensor | None, key_mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights with padded keys zeroed and rows renormalised, and both masks filled in.

    Args:
        weights: (batch, heads, queries, keys).
        query_mask: (batch, queries) bool or None.
        key_mask: (batch, keys) bool or None.

    Returns:
        Weights in at least single precision, query mask, key mask.

    Raises:
        ValueError: On shapes that do not fit.
    """
    if weights.ndim != 4:
        raise ValueError(f"weights must be (batch, heads, queries, keys), got shape {tuple(weights.shape)}")
    batch, _, queries, n_keys = weights.shape
    rows = _mask(query_mask, (batch, queries), "query_mask", weights.device)
    keys = _mask(key_mask, (batch, n_keys), "key_mask", weights.device)
    w = weights.detach()
    w = w if w.dtype == torch.float64 else w.float()
    w = torch.where(keys[:, None, None, :], w, 0)
    total = w.sum(-1, keepdim=True)
    return w / torch.where(total > 0, total, 1), rows, keys


def padding_mass(weights: torch.Tensor, query_mask: torch.Tensor, key_mask: torch.Tensor) -> torch.Tensor:
    """Largest share of a real row that lies on padded keys; a 0-d tensor on the weights' device."""
    w = weights.detach().float()
    lost = torch.where(key_mask[:, None, None, :], 0, w).sum(-1)
    return torch.where(query_mask[:, None, :], lost, 0).amax()


def category_mass(weights: torch.Tensor, query_mask: torch.Tensor, category: torch.Tensor) -> torch.Tensor:
    """Share of attention on a category of keys, mean over real rows.

    Args:
        weights: (batch, heads, queries, keys), rows summing to one.
        query_mask: (batch, queries) bool.
        category: (batch, keys) or (batch, queries, keys) bool.

    Returns:
        (batch, heads).
    """
    chosen = category[:, None, None, :] if category.ndim == 2 else category[:, None]
    mass = torch.where(chosen, weights, 0).sum(-1)
    rows = query_mask[:, None, :]
    return torch.where(rows, mass, 0).sum(-1) / rows.sum(-1)


def _mask(mask: torch.Tensor | None, shape: tuple[int, int], name: str, device: Any) -> torch.Tensor:
    if mask is None:
        return torch.ones(shape, dtype=torch.bool, device=device)
    if tuple(mask.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(mask.shape)}")
    return mask.to(device=device, dtype=torch.bool)


def _gini(w: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """Corrected Gini; padded keys are zero, sort last in descending order and add nothing."""
    ordered = _descending(w, -1)
    rank = n - torch.arange(w.shape[-1], device=w.device, dtype=w.dtype)  # largest weight has rank n
    total = w.sum(-1)
    safe = torch.where(total > 0, total, 1)
    raw = 2 * (rank.unsqueeze(-2) * ordered).sum(-1) / (n * safe) - (n + 1) / n
    return raw * n / (n - 1)


def _between_rows(w: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Mean total variation over all pairs of real rows, (batch, heads), by sorting each key's column.

    All m * m ordered pairs count, a row with itself too, so that a supercell (every row c times) changes nothing. The
    sum of |x_a - x_b| over pairs of m values is sum_p (m - 1 - 2p) x_(p) over the values in descending order, which
    needs no (queries, queries, keys) array.
    """
    m = rows.sum(-1).to(w.dtype)[:, None, None, None]
    column = torch.where(rows[:, None, :, None], w, -1)  # padded rows sort last
    ordered = _descending(column, 2)
    position = torch.arange(w.shape[2], device=w.device, dtype=w.dtype)[None, None, :, None]
    pairs = torch.where(position < m, (m - 1 - 2 * position) * ordered, 0).sum((2, 3))
    count = m.square()[..., 0, 0]
    return pairs / torch.where(count > 0, count, 1)


def _descending(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Sorted along a dimension, the largest (and NaN) first.

    On the CPU by numpy, which sorts many short rows 10 to 20 times faster than torch, to the same numbers.
    """
    if values.device.type != "cpu" or values.requires_grad:
        return values.sort(dim=dim, descending=True).values
    return torch.from_numpy(np.sort(values.numpy(), axis=dim)).flip(dim)
