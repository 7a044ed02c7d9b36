"""The metrics of a map: name, what they are computed from, which family they belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crysmm_attn_plugin.metrics.real_cells import MapSums


@dataclass(frozen=True)
class Metric:
    """One metric of a crystal's map.

    Attributes:
        name: Column name.
        compute: From ``MapSums``, by family. ``rows``: (rows,) values, averaged over a crystal's real rows afterwards.
            ``maps``: (parts, maps).
        needs: What it is computed from, of ``real_cells.NEEDS``: what no wanted metric needs is not worked out.
        family: What it is a number of.
    """

    name: str
    compute: Callable[[MapSums], np.ndarray]
    needs: frozenset[str]
    family: Literal["rows", "maps"]


def entropy(sums: MapSums) -> np.ndarray:
    """Shannon entropy in nats. Source: Shannon 1948."""
    return np.maximum(np.log(sums.total) - sums.plogp / sums.total, 0)


def normalized_entropy(sums: MapSums) -> np.ndarray:
    """Entropy over its largest value, ln n; NaN over a single key."""
    return np.where(sums.n_keys > 1, entropy(sums) / np.log(sums.n_keys), np.nan)


def effective_tokens_hill(sums: MapSums) -> np.ndarray:
    """Hill number of order 1. Source: Hill 1973."""
    return np.asarray(np.exp(entropy(sums)))


def effective_tokens_hill2(sums: MapSums) -> np.ndarray:
    """Hill number of order 2. Source: Hill 1973."""
    return sums.total * (sums.total / sums.squares)


def effective_tokens_01(sums: MapSums) -> np.ndarray:
    """How many keys have more than a tenth of the row."""
    return np.where(sums.total > 0, sums.above, np.nan)


def max_weight(sums: MapSums) -> np.ndarray:
    """Largest share of a row."""
    return sums.largest / sums.total


def gini(sums: MapSums) -> np.ndarray:
    """Gini coefficient with the n / (n - 1) correction; NaN over a single key. Source: Deltas 2003."""
    return np.where(sums.n_keys > 1, sums.spread / (sums.total * (sums.n_keys - 1)), np.nan)


def between_atom_tv(sums: MapSums) -> np.ndarray:
    """Total variation distance, every row against every other and itself."""
    return sums.between


def _of(family: Literal["rows", "maps"], compute: Callable[[MapSums], np.ndarray], *needs: str) -> Metric:
    return Metric(compute.__name__, compute, frozenset(needs), family)


#: Metrics that need no words, in the order of their columns. Plugins add theirs by the hook ``attn_batch_metrics``.
BUILT_IN: tuple[Metric, ...] = (
    _of("rows", entropy, "log"),
    _of("rows", normalized_entropy, "log"),
    _of("rows", effective_tokens_hill, "log"),
    _of("rows", effective_tokens_hill2, "squares"),
    _of("rows", effective_tokens_01, "order"),
    _of("rows", max_weight, "order"),
    _of("rows", gini, "order"),
    _of("maps", between_atom_tv, "between"),
)


def asked(wanted: Collection[str] | None) -> tuple[Metric, ...]:
    """Built-in metrics among the wanted names; all when None or empty."""
    return tuple(m for m in BUILT_IN if not wanted or m.name in wanted)


def needs_of(metrics: Collection[Metric]) -> frozenset[str]:
    """Everything that some of the metrics need."""
    return frozenset(need for metric in metrics for need in metric.needs)
