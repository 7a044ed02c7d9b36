"""Means over heads of every crystal, streamed from the files: memory is that of the result."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from crysmm_attn_plugin.store.attention_rows import batches, metric_names
from crysmm_attn_plugin.store.sums import Gathered, Sums
from crysmm_attn_plugin.store.sums import MeanCell as MeanCell
from crysmm_attn_plugin.store.tables import Rows


@dataclass(frozen=True)
class Means:
    """Means of one cell.

    Attributes:
        ids: (n,) crystal ids.
        values: (n, metrics) means over heads and calls; NaN where the metric is NaN in any of them.
        n_queries, n_keys: (n,) numbers of rows and columns of the maps.
    """

    ids: np.ndarray
    values: np.ndarray
    n_queries: np.ndarray
    n_keys: np.ndarray


class CrystalMeans:
    """Means of every cell over the same crystals.

    Attributes:
        metrics: Names of the columns of ``Means.values``.
        n_heads: Largest number of heads of a module.
    """

    def __init__(
        self, metrics: Sequence[str], ids: Sequence[str], sums: dict[MeanCell, Sums], n_heads: int
    ) -> None:
        self.metrics = tuple(metrics)
        self._ids = np.array(ids, dtype=object)
        self._sums = sums
        self.n_heads = n_heads
        self._places: dict[str, int] | None = None
        self._asked: tuple[Any, np.ndarray] = (None, np.zeros(0, np.int64))

    @property
    def cells(self) -> tuple[MeanCell, ...]:
        return tuple(sorted(self._sums))

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(sorted({c.module for c in self._sums}))

    def of(self, cell: MeanCell) -> Means:
        """Means of a cell, crystals in the order they were captured."""
        sums = self._sums[cell]
        there = np.flatnonzero(sums.rows[: len(self._ids)])
        with np.errstate(invalid="ignore"):
            means = sums.total[:, there] / sums.rows[there]
        m = len(self.metrics)
        return Means(self._ids[there], means[:m].T, means[m], means[m + 1])

    def align(self, cell: MeanCell, ids: Sequence[str]) -> np.ndarray:
        """(len(ids), metrics) means of a cell in the order of ``ids``, NaN where a crystal has no row in it."""
        sums = self._sums[cell]
        return self._aligned(sums.total[: len(self.metrics)].T, sums.rows[:, None], ids)

    def keys(self, cell: MeanCell, ids: Sequence[str]) -> np.ndarray:
        """(len(ids),) numbers of keys of a cell, NaN where a crystal has no row in it."""
        sums = self._sums[cell]
        return self._aligned(sums.total[len(self.metrics) + 1 :].T, sums.rows[:, None], ids)[:, 0]

    def heads(self, cell: MeanCell, metric: str, ids: Sequence[str]) -> np.ndarray:
        """(len(ids), heads) values of a metric asked for with ``per_head``, means over calls."""
        total, rows = self._sums[cell].heads[metric]
        return self._aligned(total, rows, ids)

    def _aligned(self, total: np.ndarray, rows: np.ndarray, ids: Sequence[str]) -> np.ndarray:
        places = self._places_of(ids)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = total[places] / rows[places]
        found[places < 0] = np.nan
        return np.asarray(found)

    def _places_of(self, ids: Sequence[str]) -> np.ndarray:
        if self._asked[0] is not ids:  # a panel asks for every cell with the same ids
            if self._places is None:
                self._places = {name: i for i, name in enumerate(self._ids) if name or i == 0}
            self._asked = (ids, np.array([self._places.get(i, -1) for i in ids], np.int64))
        return self._asked[1]


def crystal_means(
    rows: Rows,
    *,
    module: str | None = None,
    directions: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    per_head: Sequence[str] = (),
) -> CrystalMeans:
    """Means over heads and calls of the attention rows of ``rows``.

    Args:
        rows: Shards of one checkpoint and split.
        module, directions, metrics: Only these, and only their columns are read; all when None.
        per_head: Metrics whose values of each head are kept too, in the scope with special tokens.

    Raises:
        DamagedStoreError: When a file is not what was written.
        StoreError: When a crystal was captured twice with different numbers.
    """
    work = [(shard, e) for shard in rows.shards for e in shard.entries.get("attention", ())]
    names = metric_names([(s, e) for s, e in work])
    wanted = names if metrics is None else [m for m in names if m in set(metrics)]
    gathered = Gathered(wanted, [m for m in per_head if m in wanted], module, directions)
    gathered.reserve(len(rows.samples))
    with ThreadPoolExecutor(1) as ahead:
        for shard, batch in batches(rows, work, wanted, ahead):
            gathered.take(rows, shard, batch)
    return CrystalMeans(wanted, gathered.finish(rows), gathered.sums, gathered.n_heads)
