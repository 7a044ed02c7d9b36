"""Concentration and variation of attention maps, per row over its real keys, then mean over real rows.

Sources: Shannon entropy; Hill numbers (Hill 1973); Gini coefficient with the n/(n-1) correction (Deltas 2003); total
variation distance. Half-precision weights are raised to single precision first (their row sums are off by up to 1e-3).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch

from crysmm_attn_plugin.metrics.padded import check_shapes, padded_metrics
from crysmm_attn_plugin.metrics.real_cells import MapSums
from crysmm_attn_plugin.metrics.registry import asked, needs_of
from crysmm_attn_plugin.records import BatchIdentity

#: Indices of a crystal's real rows or keys: a slice where padding stands behind.
Places = slice | np.ndarray


@dataclass(frozen=True)
class MetricContext:
    """What a metric plugin is told besides weights and masks.

    Attributes:
        module: Qualified module name.
        direction: ``atom_to_text`` or ``text_to_atom``; empty where nobody can name a side.
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
    *,
    wanted: Collection[str] | None = None,
) -> dict[str, torch.Tensor]:
    """Metrics of attention maps, one value per crystal and head.

    Args:
        weights: (batch, heads, queries, keys) after softmax; any floating type; on any device. Rows are renormalised
            over their real keys.
        query_mask: (batch, queries) bool, True where real; all real when None.
        key_mask: (batch, keys) bool, True where real; all real when None.
        wanted: Names to compute; all when None or empty. Without ``between_atom_tv`` it takes half the time.

    Returns:
        Name -> (batch, heads) tensor, float32 (float64 for float64 weights): ``entropy`` (nats),
        ``normalized_entropy``, ``effective_tokens_hill``, ``effective_tokens_hill2``, ``effective_tokens_01``,
        ``max_weight``, ``gini``, ``between_atom_tv``. NaN where not defined: gini and
        normalised entropy over a single key, anything over no key, no row, or a row whose real keys hold no weight.

    Raises:
        ValueError: On shapes that do not fit.

    Examples:
        One crystal, one head, one atom over three tokens:

        >>> import torch
        >>> weights = torch.tensor([[[[0.5, 0.25, 0.25]]]])
        >>> found = attention_metrics(weights, wanted=["entropy", "effective_tokens_hill2", "gini"])
        >>> {name: round(value.item(), 4) for name, value in found.items()}
        {'entropy': 1.0397, 'effective_tokens_hill2': 2.6667, 'gini': 0.25}

        A token of padding, masked, changes nothing:

        >>> padded = torch.tensor([[[[0.5, 0.25, 0.25, 0.0]]]])
        >>> mask = torch.tensor([[True, True, True, False]])
        >>> attention_metrics(padded, key_mask=mask, wanted=["gini"])["gini"].item()
        0.25
    """
    check_shapes(weights, query_mask, key_mask)
    if weights.device.type != "cpu":
        return padded_metrics(weights, query_mask, key_mask, wanted=wanted)
    array = as_array(weights)
    batch, heads, queries, keys = array.shape
    row_places, key_places = real_places(query_mask, batch, queries), real_places(key_mask, batch, keys)
    counts = np.array([count_of(p, queries) for p in row_places], np.intp)
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    metrics = asked(wanted)
    sums = MapSums(int(counts.sum()) * heads, batch * heads, needs_of(metrics), dtype)
    with np.errstate(all="ignore"):
        for i in range(batch):
            sums.add(real_cells(array[i], row_places[i], key_places[i]))
        found = {}
        for metric in metrics:
            value = metric.compute(sums)
            if metric.family == "rows":
                value = row_means(value, np.repeat(counts, heads))
            found[metric.name] = torch.from_numpy(value.reshape(batch, heads).astype(dtype))
    return found


def as_array(weights: torch.Tensor) -> np.ndarray:
    """A numpy view of a CPU tensor (a copy for types numpy does not know)."""
    w = weights.detach()
    if w.dtype not in (torch.float16, torch.float32, torch.float64):
        w = w.float()
    return w.numpy()


def real_places(mask: torch.Tensor | None, batch: int, length: int) -> list[Places]:
    """For each crystal of a batch, where its real positions are.

    Args:
        mask: (batch, length) bool, True where real; all real when None.
        batch: Crystals.
        length: Padded length.
    """
    if mask is None:
        return [slice(0, length)] * batch
    real = mask.detach().cpu().numpy().astype(bool, copy=False)
    counts = real.sum(-1)
    leading = (real == (np.arange(length) < counts[:, None])).all(-1)
    return [slice(0, int(n)) if a else np.flatnonzero(r) for n, a, r in zip(counts, leading, real)]


def real_cells(maps: np.ndarray, rows: Places, keys: Places) -> np.ndarray:
    """(heads, real queries, real keys) of one crystal's (heads, queries, keys)."""
    chosen = maps[:, rows]
    return chosen[:, :, keys] if isinstance(keys, slice) else np.take(chosen, keys, axis=-1)


def row_means(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Means over consecutive stretches of rows, float64; NaN for an empty one.

    Args:
        values: (rows,).
        lengths: Rows of each stretch.
    """
    return np.asarray(row_sums(values, lengths) / lengths)


def row_sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums over consecutive stretches of rows, float64; zero for an empty one."""
    sums = np.zeros(len(lengths))
    there = lengths > 0
    if there.any():
        starts = (np.cumsum(lengths) - lengths)[there]
        sums[there] = np.add.reduceat(values, starts, dtype=np.float64)
    return sums


def count_of(places: Places, length: int) -> int:
    """How many positions there are."""
    return len(range(*places.indices(length))) if isinstance(places, slice) else len(places)
