"""The same metrics of padded batches as torch tensors, for weights that live on an accelerator.

Nothing here waits for the device: no value is read back and no shape depends on one, so that the host's stream runs on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from crysmm_attn_plugin.metrics.real_cells import SHARE

NAN = float("nan")


def padded_metrics(
    weights: torch.Tensor,
    query_mask: torch.Tensor | None = None,
    key_mask: torch.Tensor | None = None,
    *,
    wanted: Collection[str] | None = None,
) -> dict[str, torch.Tensor]:
    """As ``attention.attention_metrics``, on the weights' device.

    Args:
        weights: (batch, heads, queries, keys).
        query_mask: (batch, queries) bool or None.
        key_mask: (batch, keys) bool or None.
        wanted: Names; all when None or empty.
    """
    w, rows, keys = without_padding(weights, query_mask, key_mask)
    return metrics_of(w, keys, [rows], wanted)[0]


def metrics_of(
    w: torch.Tensor, keys: torch.Tensor, row_masks: list[torch.Tensor], wanted: Collection[str] | None = None
) -> list[dict[str, torch.Tensor]]:
    """Metrics over several choices of rows; what a row has is computed once for all of them.

    Args:
        w: (batch, heads, queries, keys), zero on padded keys, rows summing to one.
        keys: (batch, keys) bool, as given to ``without_padding``.
        row_masks: (batch, queries) bool each.
        wanted: Names; all when None or empty.

    Returns:
        For each choice of rows, name -> (batch, heads).
    """

    def asked(*names: str) -> bool:
        return not wanted or any(n in wanted for n in names)

    n = keys.sum(-1).to(w.dtype)[:, None, None]
    total = w.sum(-1)  # one, but for rows that hold nothing
    per_row: dict[str, torch.Tensor] = {}
    if asked("entropy", "normalized_entropy", "effective_tokens_hill"):
        entropy = torch.special.entr(w).sum(-1).clamp(min=0)
        per_row["entropy"] = entropy
        per_row["normalized_entropy"] = torch.where(n > 1, entropy / n.log(), NAN)
        per_row["effective_tokens_hill"] = entropy.exp()
    if asked("effective_tokens_hill2"):
        per_row["effective_tokens_hill2"] = 1 / w.square().sum(-1)
    if asked("effective_tokens_01"):
        line = SHARE * (1 + 4 * torch.finfo(w.dtype).eps)
        per_row["effective_tokens_01"] = (w > line).sum(-1).to(w.dtype)
    if asked("max_weight"):
        per_row["max_weight"] = w.amax(-1)
    if asked("gini"):
        per_row["gini"] = torch.where(n > 1, _gini(w, n), NAN)
    hollow = ~(total > 0)  # no weight on any real key, or not a number
    per_row = {
        name: value.masked_fill(hollow, NAN)
        for name, value in per_row.items()
        if not wanted or name in wanted
    }
    found = []
    for rows in row_masks:
        real = rows[:, None, :]
        count = real.sum(-1).to(w.dtype)
        metrics = {name: value.where(real, 0).sum(-1) / count for name, value in per_row.items()}
        if asked("between_atom_tv"):
            lost = (hollow & real).any(-1)
            metrics["between_atom_tv"] = _between_rows(w, rows).masked_fill(lost, NAN)
        empty = (n[..., 0] == 0) | (count == 0)
        found.append({name: value.masked_fill(empty, NAN) for name, value in metrics.items()})
    return found


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
    check_shapes(weights, query_mask, key_mask)
    batch, _, queries, n_keys = weights.shape
    rows = _mask(query_mask, (batch, queries), weights.device)
    keys = _mask(key_mask, (batch, n_keys), weights.device)
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


def check_shapes(weights: Any, query_mask: Any, key_mask: Any) -> None:
    """Refuse weights and masks that do not belong together.

    Raises:
        ValueError: Naming what was expected and what came.
    """
    if weights.ndim != 4:
        raise ValueError(f"weights must be (batch, heads, queries, keys), got shape {tuple(weights.shape)}")
    batch, _, queries, keys = weights.shape
    for name, mask, shape in (
        ("query_mask", query_mask, (batch, queries)),
        ("key_mask", key_mask, (batch, keys)),
    ):
        if mask is not None and tuple(mask.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(mask.shape)}")


def _mask(mask: torch.Tensor | None, shape: tuple[int, int], device: Any) -> torch.Tensor:
    if mask is None:
        return torch.ones(shape, dtype=torch.bool, device=device)
    return mask.to(device=device, dtype=torch.bool, non_blocking=True)


def _gini(w: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """Corrected Gini; padded keys are zero, sort last in descending order and add nothing."""
    ordered = w.sort(dim=-1, descending=True).values
    position = torch.arange(w.shape[-1], device=w.device, dtype=w.dtype)
    centred = (
        n.unsqueeze(-1) - 1
    ) - 2 * position  # the largest of n counts n - 1 times, the smallest 1 - n times
    return (centred * ordered).sum(-1) / (n - 1)


def _between_rows(w: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Mean total variation over all pairs of real rows, (batch, heads); see ``real_cells.between_rows``."""
    m = rows.sum(-1).to(w.dtype)[:, None, None, None]
    column = torch.where(rows[:, None, :, None], w, -1)  # padded rows sort last
    ordered = column.sort(dim=2, descending=True).values
    position = torch.arange(w.shape[2], device=w.device, dtype=w.dtype)[None, None, :, None]
    pairs = torch.where(position < m, (m - 1 - 2 * position) * ordered, 0).sum((2, 3))
    return (pairs / m.square()[..., 0, 0]).clamp(min=0)
