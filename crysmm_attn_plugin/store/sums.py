"""Rows of the attention tables summed by what is averaged and by crystal, as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from crysmm_attn_plugin.records import HEAD_MEAN_FIRST
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS
from crysmm_attn_plugin.store.tables import Rows, Shard, marked, refuse_different

_COUNTS = ("n_queries", "n_keys")


@dataclass(frozen=True, order=True)
class MeanCell:
    """Which rows are averaged: ``head_mean`` rows were computed on head-averaged weights, the others per head."""

    module: str
    direction: str
    with_special_tokens: bool = True
    stopwords_removed: bool = False
    weights: str = "model"
    head_mean: bool = False


@dataclass
class Sums:
    """Running sums of one cell: (metrics and counts, crystals), and (crystals,) numbers of rows."""

    total: np.ndarray
    rows: np.ndarray
    heads: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


class Gathered:
    """Sums by cell and crystal, a batch of rows at a time.

    Args:
        metrics: Columns to sum.
        per_head: Those of them that are kept for each head too.
        module, directions: Only these; all when None.

    Attributes:
        sums: By cell.
        n_heads: Largest number of heads met.
    """

    def __init__(
        self, metrics: Sequence[str], per_head: Sequence[str], module: str | None, directions: Any
    ) -> None:
        self._metrics, self._per_head = list(metrics), list(per_head)
        self._module, self._directions = module, None if directions is None else set(directions)
        # a crystal that another shard stands for is summed apart, under its id and shard, to be compared
        self._places: dict[Any, int] = {}
        self._again: dict[Any, str] = {}
        self.sums: dict[MeanCell, Sums] = {}
        self._room = 0
        self.n_heads = 0

    def reserve(self, n: int) -> None:
        """Make room for this many crystals at once."""
        self._room = max(self._room, n)

    def take(self, rows: Rows, shard: Shard, batch: pa.RecordBatch) -> None:
        """Add a batch of rows."""
        local, crystals = self._crystals(rows, shard, batch)
        code, cells = self._cells(batch)
        wanted = code >= 0
        if not wanted.any():
            return
        every = bool(wanted.all())
        flat = code * len(local) + crystals
        flat = flat if every else flat[wanted]
        size = len(cells) * len(local)
        counts = np.bincount(flat, minlength=size).reshape(len(cells), -1)
        sums = np.empty((len(self._metrics) + len(_COUNTS), len(cells), len(local)))
        for j, name in enumerate([*self._metrics, *_COUNTS]):
            values = _numbers(batch, name)
            values = values if every else values[wanted]
            sums[j] = np.bincount(flat, weights=values, minlength=size).reshape(len(cells), -1)
        head = batch.column("head").to_numpy(zero_copy_only=False)
        self.n_heads = max(self.n_heads, int(head.max()) + 1)
        for k, cell in enumerate(cells):
            target = self._of(cell)
            start = int(local[0])
            if (
                len(local) == local[-1] - start + 1 and (np.diff(local) == 1).all()
            ):  # crystals new with this batch
                target.rows[start : start + len(local)] += counts[k]
                target.total[:, start : start + len(local)] += sums[:, k]
            else:
                target.rows[local] += counts[k]
                target.total[:, local] += sums[:, k]
            if self._per_head and not cell.head_mean and cell.weights == "model" and cell.with_special_tokens:
                mine = code == k
                self._take_heads(target, local, crystals[mine], head[mine].astype(np.int64), batch, mine)

    def _take_heads(
        self, target: Sums, local: np.ndarray, crystal: Any, head: Any, batch: pa.RecordBatch, mine: Any
    ) -> None:
        n = int(head.max()) + 1
        flat = crystal * n + head
        counts = np.bincount(flat, minlength=len(local) * n).reshape(len(local), n)
        for name in self._per_head:
            total, rows = target.heads.get(name, (np.zeros((self._room, 0)), np.zeros((self._room, 0))))
            total, rows = _wider(total, self._room, n), _wider(rows, self._room, n)
            sums = np.bincount(flat, weights=_numbers(batch, name)[mine], minlength=len(local) * n)
            total[local, :n] += sums.reshape(len(local), n)
            rows[local, :n] += counts
            target.heads[name] = (total, rows)

    def _crystals(self, rows: Rows, shard: Shard, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        """Places of this batch's crystals, and for each row which of them it is about."""
        column = batch.column("crystal")
        if rows.needs_marks(shard):
            keys = [k for k in ATTENTION_KEYS.names if k not in _COUNTS]
            frame = batch.select(keys).to_pandas()
            frame["crystal"] = frame["crystal"].astype(str)
            column = pa.array(marked(frame)).dictionary_encode()
        names = column.dictionary.to_pylist()
        dropped = rows.dropped(shard)
        if dropped:
            hidden: list[Any] = [(n, shard.key) if n in dropped else n for n in names]
            self._again.update((o, n) for o, n in zip(hidden, names) if o is not n and shard.complete)
            names = hidden
        places = [self._places.setdefault(n, len(self._places)) for n in names]
        if len(self._places) > self._room:
            self._room = max(2 * self._room, len(self._places))
            for sums in self.sums.values():
                sums.total, sums.rows = _longer(sums.total, self._room), _longer(sums.rows, self._room)
        return np.array(places, np.int64), column.indices.to_numpy(zero_copy_only=False).astype(np.int64)

    def _cells(self, batch: pa.RecordBatch) -> tuple[np.ndarray, list[MeanCell]]:
        """For each row the number of its cell, -1 where it was not asked for; and the cells."""
        module, modules = _codes(batch, "module")
        direction, directions = _codes(batch, "direction")
        weights, sources = _codes(batch, "weights")
        special = batch.column("with_special_tokens").to_numpy(zero_copy_only=False).astype(np.int64)
        stop = batch.column("stopwords_removed").to_numpy(zero_copy_only=False).astype(np.int64)
        mean = batch.column("head").to_numpy(zero_copy_only=False) == HEAD_MEAN_FIRST
        shape = (len(modules), len(directions), len(sources), 2, 2, 2)
        code = np.ravel_multi_index(
            (module, direction, weights, special, stop, mean.astype(np.int64)), shape
        ).astype(np.int64)
        number = np.full(int(np.prod(shape)), -1, np.int64)
        cells: list[MeanCell] = []
        for found in np.flatnonzero(np.bincount(code, minlength=len(number))):
            m, d, w, s, t, h = np.unravel_index(int(found), shape)
            cell = MeanCell(modules[m], directions[d], bool(s), bool(t), sources[w], bool(h))
            if self._module not in (None, cell.module):
                continue
            if self._directions is None or cell.direction in self._directions:
                number[found] = len(cells)
                cells.append(cell)
        return number[code], cells

    def _of(self, cell: MeanCell) -> Sums:
        if cell not in self.sums:
            width = len(self._metrics) + len(_COUNTS)
            self.sums[cell] = Sums(np.zeros((width, self._room)), np.zeros(self._room, np.int64))
        return self.sums[cell]

    def finish(self, rows: Rows) -> list[str]:
        """Ids in the order of the sums, after two captures of one crystal were compared; an empty one for a place left out."""
        for sums in self.sums.values():
            for name, (total, count) in sums.heads.items():
                sums.heads[name] = (_wider(total, self._room, 0), _wider(count, self._room, 0))
        if self._again:
            ids = list(self._again.values())
            first = np.array([self._places.get(i, -1) for i in ids])
            second = np.array([self._places[i] for i in self._again])
            for sums in self.sums.values():
                both = (first >= 0) & (sums.rows[first] > 0) & (sums.rows[second] > 0)
                with np.errstate(invalid="ignore", divide="ignore"):
                    a = sums.total[:, first] / sums.rows[first]
                    b = sums.total[:, second] / sums.rows[second]
                for j, name in enumerate(self._metrics):
                    refuse_different(rows.where, np.array(ids, object)[both], name, a[j, both], b[j, both])
        for name, place in self._places.items():
            if isinstance(name, tuple):
                for sums in self.sums.values():
                    sums.rows[place] = 0
        return ["" if isinstance(name, tuple) else name for name in self._places]


def _numbers(batch: pa.RecordBatch, name: str) -> np.ndarray:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), float)


def _codes(batch: pa.RecordBatch, name: str) -> tuple[np.ndarray, list[str]]:
    column = batch.column(name).fill_null("") if batch.column(name).null_count else batch.column(name)
    return column.indices.to_numpy(zero_copy_only=False).astype(np.int64), [
        v or "" for v in column.dictionary.to_pylist()
    ]


def _longer(array: np.ndarray, n: int) -> np.ndarray:
    grown = np.zeros((*array.shape[:-1], n), array.dtype)
    grown[..., : array.shape[-1]] = array
    return grown


def _wider(array: np.ndarray, n: int, width: int) -> np.ndarray:
    if array.shape[0] >= n and array.shape[1] >= width:
        return array
    grown = np.zeros((max(n, array.shape[0]), max(width, array.shape[1])))
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
