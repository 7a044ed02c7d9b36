"""Means over heads of every crystal, streamed from the files: memory is that of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from crysmm_attn_plugin.errors import DamagedStoreError
from crysmm_attn_plugin.records import HEAD_MEAN_FIRST
from crysmm_attn_plugin.store.listing import Entry
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS
from crysmm_attn_plugin.store.tables import Rows, Shard, marked, refuse_different
from crysmm_attn_plugin.store.whole import BROKEN, Flaw

_CODED = ("crystal", "module", "direction", "weights")
_COUNTS = ("n_queries", "n_keys")
#: Rows decoded at a time.
BATCH = 1 << 17


@dataclass(frozen=True, order=True)
class MeanCell:
    """Which rows are averaged: ``head_mean`` rows were computed on head-averaged weights, the others per head."""

    module: str
    direction: str
    with_special_tokens: bool = True
    stopwords_removed: bool = False
    weights: str = "model"
    head_mean: bool = False


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


@dataclass
class _Sums:
    """Running sums of one cell: (metrics and counts, crystals), and (crystals,) numbers of rows."""

    total: np.ndarray
    rows: np.ndarray
    heads: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


class CrystalMeans:
    """Means of every cell over the same crystals.

    Attributes:
        metrics: Names of the columns of ``Means.values``.
        n_heads: Largest number of heads of a module.
    """

    def __init__(
        self, metrics: Sequence[str], ids: Sequence[str], sums: dict[MeanCell, _Sums], n_heads: int
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
    gathered = _Gathered(wanted, [m for m in per_head if m in wanted], module, directions)
    gathered.reserve(len(rows.samples))
    with ThreadPoolExecutor(1) as ahead:
        for shard, batch in _batches(rows, work, wanted, ahead):
            gathered.take(rows, shard, batch)
    return gathered.result(rows)


def crystals_of(rows: Rows) -> dict[str, set[str]]:
    """Module -> ids of the crystals it has rows of; only those two columns are read."""
    found: dict[str, set[str]] = {}
    for shard in rows.shards:
        for entry in shard.entries.get("attention", ()):
            try:
                file = shard.files.parquet(entry, ("crystal", "module"))
                table = file.read(columns=["crystal", "module"], use_threads=False).unify_dictionaries()
            except Flaw as flaw:
                raise DamagedStoreError(shard.files.root, entry.path, str(flaw)) from None
            except BROKEN as error:
                raise DamagedStoreError(
                    shard.files.root, entry.path, f"is not a readable table ({type(error).__name__})"
                ) from error
            for batch in table.to_batches():
                module, crystal = batch.column("module"), batch.column("crystal")
                codes = module.indices.to_numpy(zero_copy_only=False)
                ids = crystal.dictionary.to_numpy(zero_copy_only=False)
                for code in np.unique(codes):
                    there = np.bincount(crystal.indices.filter(pa.array(codes == code)), minlength=len(ids))
                    found.setdefault(module.dictionary[int(code)].as_py() or "", set()).update(ids[there > 0])
    for shard in rows.shards:
        if rows.needs_marks(shard):  # repeats of one id have rows wherever the id has
            marked_ids = set(rows.samples["id"])
            for ids in found.values():
                ids |= {i for i in marked_ids if i.rpartition(" (")[0] in ids}
    return found


def metric_names(work: Sequence[tuple[Shard, Entry]]) -> list[str]:
    """Metric columns of some files, in order of first appearance."""
    names: dict[str, None] = {}
    for shard, entry in work:
        try:
            names.update(dict.fromkeys(shard.files.parquet(entry).schema_arrow.names))
        except Flaw as flaw:
            raise DamagedStoreError(shard.files.root, entry.path, str(flaw)) from None
    return [n for n in names if n not in ATTENTION_KEYS.names]


def _batches(
    rows: Rows, work: Sequence[tuple[Shard, Entry]], metrics: Sequence[str], ahead: ThreadPoolExecutor
) -> Iterator[tuple[Shard, pa.RecordBatch]]:
    """Decoded rows, the next batch being decoded while one is used."""

    def decoded() -> Iterator[tuple[Shard, pa.RecordBatch]]:
        for shard, entry in work:
            try:
                file = shard.files.parquet(entry, _CODED)
                there = set(file.schema_arrow.names)
                columns = [c for c in (*ATTENTION_KEYS.names, *metrics) if c in there]
                # repeats within a pass are told apart by their turn in the whole file
                size = file.metadata.num_rows if rows.needs_marks(shard) else BATCH
                for batch in file.iter_batches(batch_size=max(size, 1), columns=columns, use_threads=False):
                    yield shard, batch
            except Flaw as flaw:
                raise DamagedStoreError(shard.files.root, entry.path, str(flaw)) from None
            except BROKEN as error:
                raise DamagedStoreError(
                    shard.files.root, entry.path, f"is not a readable table ({type(error).__name__})"
                ) from error

    source = decoded()

    def asked() -> Callable[[], tuple[Shard, pa.RecordBatch] | None]:
        try:
            return ahead.submit(next, source, None).result
        except (
            RuntimeError
        ):  # a report at the end of a host's process: the interpreter starts no thread any more
            return lambda: next(source, None)

    coming = asked()
    while (found := coming()) is not None:
        coming = asked()
        yield found


class _Gathered:
    """Sums by cell and crystal."""

    def __init__(
        self, metrics: Sequence[str], per_head: Sequence[str], module: str | None, directions: Any
    ) -> None:
        self._metrics, self._per_head = list(metrics), list(per_head)
        self._module, self._directions = module, None if directions is None else set(directions)
        # a crystal that another shard stands for is summed apart, under its id and shard, to be compared
        self._places: dict[Any, int] = {}
        self._again: dict[Any, str] = {}
        self._sums: dict[MeanCell, _Sums] = {}
        self._room = 0
        self._n_heads = 0

    def reserve(self, n: int) -> None:
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
        self._n_heads = max(self._n_heads, int(head.max()) + 1)
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
        self, target: _Sums, local: np.ndarray, crystal: Any, head: Any, batch: pa.RecordBatch, mine: Any
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
            for sums in self._sums.values():
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

    def _of(self, cell: MeanCell) -> _Sums:
        if cell not in self._sums:
            width = len(self._metrics) + len(_COUNTS)
            self._sums[cell] = _Sums(np.zeros((width, self._room)), np.zeros(self._room, np.int64))
        return self._sums[cell]

    def result(self, rows: Rows) -> CrystalMeans:
        """What was gathered, after two captures of one crystal were compared."""
        for sums in self._sums.values():
            for name, (total, count) in sums.heads.items():
                sums.heads[name] = (_wider(total, self._room, 0), _wider(count, self._room, 0))
        if self._again:
            ids = list(self._again.values())
            first = np.array([self._places.get(i, -1) for i in ids])
            second = np.array([self._places[i] for i in self._again])
            for sums in self._sums.values():
                both = (first >= 0) & (sums.rows[first] > 0) & (sums.rows[second] > 0)
                with np.errstate(invalid="ignore", divide="ignore"):
                    a = sums.total[:, first] / sums.rows[first]
                    b = sums.total[:, second] / sums.rows[second]
                for j, name in enumerate(self._metrics):
                    refuse_different(rows.where, np.array(ids, object)[both], name, a[j, both], b[j, both])
        for name, place in self._places.items():
            if isinstance(name, tuple):
                for sums in self._sums.values():
                    sums.rows[place] = 0
        ids = ["" if isinstance(name, tuple) else name for name in self._places]
        return CrystalMeans(self._metrics, ids, self._sums, self._n_heads)


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
