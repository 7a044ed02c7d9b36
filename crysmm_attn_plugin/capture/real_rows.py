"""Reduction on the processor: crystal by crystal, over real cells only, all scopes from one set of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crysmm_attn_plugin.capture.batch_words import BEFORE_SYMBOLS, PLAIN, BatchWords, CrystalWords
from crysmm_attn_plugin.capture.read_what import (
    BLOCKS,
    READ,
    WORDS_READ,
    Sums,
    blocks_where_words_are_read,
    words_read,
    words_read_by,
)
from crysmm_attn_plugin.metrics.attention import Places, as_array, count_of, real_places, row_means, row_sums
from crysmm_attn_plugin.metrics.real_cells import MapSums, log_of
from crysmm_attn_plugin.metrics.registry import Metric, asked, needs_of
from crysmm_attn_plugin.records import AttentionCall

#: Names of the masses, in the order of their columns; the first three are of single categories.
MASSES = (
    "special_mass",
    "stopword_mass",
    "punctuation_mass",
    "mass_own_element",
    "mass_other_element",
    *(f"mass_{name}" for name in PLAIN),
)


@dataclass(frozen=True)
class Found:
    """Values of one call: see ``rows.Block``."""

    names: tuple[str, ...]
    values: Any
    n_queries: Any
    n_keys: Any
    padding: Any


def reduce_real(
    call: AttentionCall,
    words: BatchWords,
    scopes: Sequence[tuple[bool, bool]],
    *,
    wanted: frozenset[str],
    head_mean: bool,
) -> Found:
    """Metrics of weights in the processor's memory.

    Args:
        call: Weights with both masks.
        words: The batch's words.
        scopes: The first of ``batch_words.SCOPES``.
        wanted: Metric names; empty for all.
        head_mean: Also reduce head-averaged weights, as the last head.
    """
    with np.errstate(all="ignore"):
        return _Reduction(call, words, len(scopes), wanted, head_mean).run()


class _Reduction:
    def __init__(
        self,
        call: AttentionCall,
        words: BatchWords,
        n_scopes: int,
        wanted: frozenset[str],
        head_mean: bool,
    ) -> None:
        self.array = as_array(call.weights)
        batch, heads, queries, keys = self.array.shape
        self.rows: list[Places] = real_places(call.query_mask, batch, queries)
        self.keys = real_places(call.key_mask, batch, keys)
        self.words: list[CrystalWords | None] = [None] * batch if n_scopes == 1 else list(words.crystals)
        self.direction, self.reads_text = call.direction, call.direction == "atom_to_text"
        self.ids = words.identity.ids
        self.n_scopes, self.n_heads, self.n_maps = n_scopes, heads, heads + head_mean
        self.metrics = asked(wanted)
        #: where words are read: several scopes of keys; where they read: several choices of rows
        self.row_parts = 1 if self.reads_text else n_scopes
        self.key_parts = n_scopes if self.reads_text else 1
        names = [m for m in MASSES if not wanted or m in wanted]
        self.mass_names = names if self.reads_text and n_scopes > 1 else []
        self.mass_columns = [MASSES.index(m) for m in self.mass_names]
        shape = (batch, n_scopes)
        self.n_queries, self.n_keys = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self.masses = np.full((*shape, self.n_maps, len(MASSES)), np.nan, np.float32)
        offered = () if n_scopes == 1 else (*READ, *WORDS_READ) if self.reads_text else READ
        self.read_names = [name for name in offered if not wanted or name in wanted]
        self.blocks = any(name in BLOCKS for name in self.read_names)
        self.read = np.full((*shape, self.n_maps, len(self.read_names)), np.nan, np.float32)
        self.worst = 0.0

    def run(self) -> Found:
        batch = len(self.array)
        counts = [(self._length(r, 2), self._length(k, 3)) for r, k in zip(self.rows, self.keys)]
        parts = [1 if w is None else self.key_parts for w in self.words]
        n_rows = sum(q * p * self.n_maps for (q, _), p in zip(counts, parts))
        dtype = np.float64 if self.array.dtype == np.float64 else np.float32
        self.sums = MapSums(
            n_rows, sum(parts) * self.n_maps, needs_of(self.metrics), dtype, parts=self.row_parts
        )
        self.of_words = Sums(batch, self.n_scopes, self.n_heads, self.read_names, self.sums.dtype)
        for i in range(batch):
            self._padding(i)
            if self.reads_text and self.words[i] is not None:
                self._words_read(i)
            else:
                self._words_read_by(i)
        if self.read_names:
            self.of_words.into(self.read, self.reads_text)
        values = [self._of_metric(metric, parts) for metric in self.metrics]
        stacked = np.stack(values, -1).astype(np.float32) if values else self.masses[..., :0]
        if self.mass_names:
            stacked = np.concatenate([stacked, self.masses[..., self.mass_columns]], -1)
        stacked = np.concatenate([stacked, self.read], -1)
        names = (*(m.name for m in self.metrics), *self.mass_names, *self.read_names)
        return Found(names, stacked, self.n_queries, self.n_keys, self.worst)

    def _length(self, places: Places, axis: int) -> int:
        return count_of(places, self.array.shape[axis])

    def _padding(self, i: int) -> None:
        """The largest share of a real row on padded keys."""
        places, length = self.keys[i], self.array.shape[3]
        if isinstance(places, slice):
            if places.stop == length:
                return
            behind = self.array[i][:, self.rows[i], places.stop :]
            if not behind.size or np.maximum.reduce(behind, axis=None) <= 0:
                return
        padded = np.ones(length, np.float32)
        padded[places] = 0
        lost = self.array[i][:, self.rows[i]] @ padded
        if lost.size:
            self.worst = float(np.fmax(self.worst, lost.max()))

    def _words_read(self, i: int) -> None:
        """Rows are atoms, keys are tokens: every scope has keys of its own, the first of the ordered tokens."""
        known = self._matching(i, self.keys[i], 3)
        read = self.array[i][:, self.rows[i]]
        heads, atoms, _ = read.shape
        tokens = len(known.order)
        self.n_queries[i], self.n_keys[i] = atoms, known.ends
        sums, n_scopes = self.sums, self.n_scopes
        mean = int(self.n_maps > heads)
        # the maps, the head-averaged map of each scope, and w ln w and w squared of them
        powers = sums.room("powers", 3, heads + mean * n_scopes, atoms, tokens)
        maps = powers[0]
        places = self._positions(self.keys[i], known.order)
        if read.dtype == sums.dtype:
            np.take(read, places, axis=-1, out=maps[:heads], mode="clip")
        else:
            maps[:heads] = np.take(read, places, axis=-1)
        shares = maps[:heads].reshape(heads * atoms, tokens) @ known.columns
        shares = shares.reshape(heads, atoms, n_scopes, shares.shape[1] // n_scopes)
        if mean:
            inverse = 1 / shares[..., 0]
            averaged = np.matmul(inverse.transpose(1, 2, 0), maps[:heads].transpose(1, 0, 2))
            maps[heads:] = averaged.transpose(
                1, 0, 2
            )  # (scopes, atoms, tokens): sums of rows over their totals
        lowest = float(maps[:heads].min()) if maps.size else 0.0
        self._sum(i, known, powers, lowest)
        if (self.mass_names or self.read_names) and atoms:
            shares /= shares[..., :1].copy()
            self._masses(i, known, shares[..., 1:])
            if self.read_names:
                words_read(known, maps, shares, self.of_words, i, self.read[i])

    def _sum(self, i: int, known: CrystalWords, powers: np.ndarray, lowest: float) -> None:
        """Everything that metrics need of (3, maps, atoms, tokens): every scope from the same logarithms."""
        sums, heads, n_maps = self.sums, self.n_heads, self.n_maps
        maps = powers[0]
        _, _, atoms, tokens = powers.shape
        n_scopes = len(known.ends)
        n = 1
        if "log" in sums.needs or "squares" in sums.needs:
            n = 3
            log_of(maps, powers[1], lowest)
            powers[1] *= maps
            np.multiply(maps, maps, out=powers[2])
        inside = known.inside
        n_laid = len(maps)
        found = powers[:n].reshape(n * n_laid * atoms, tokens) @ inside
        found = found.reshape(n, n_laid, atoms, n_scopes)
        rows = slice(sums.rows, sums.rows + n_scopes * n_maps * atoms)
        of_scope = sums.of_powers[:, rows].reshape(3, n_scopes, n_maps, atoms)
        of_scope[:n, :, :heads] = found[:, :heads].transpose(0, 3, 1, 2)
        sums.n_keys[rows].reshape(n_scopes, -1)[:] = np.array(known.ends)[:, None]
        between = "between" in sums.needs or self.blocks
        offsets = [0, *np.cumsum(known.ends)]
        shares = sums.room("shares", atoms, n_maps, int(offsets[-1])) if between else None
        for s, end in enumerate(known.ends):
            cells = sums.room("cells", n_maps, atoms, end)
            cells[:heads] = maps[:heads, :, :end]
            if n_maps > heads:
                cells[heads] = maps[heads + s, :, :end]
                of_scope[:n, s, heads] = found[:, heads + s, :, s]
            if shares is not None:
                total = of_scope[0, s].T[:, :, None]
                np.divide(cells.transpose(1, 0, 2), total, out=shares[:, :, offsets[s] : offsets[s + 1]])
            if "order" in sums.needs and cells.size:
                first = rows.start + s * n_maps * atoms
                sums.order(cells.reshape(-1, end), slice(first, first + n_maps * atoms), positive=lowest >= 0)
        if shares is not None and atoms and self.blocks:
            blocks_where_words_are_read(known, shares, self.of_words, i, self.read[i])
        if shares is not None and atoms and "between" in sums.needs:
            distances = sums.distances(shares, [atoms], known.segments)[0]  # (maps, scopes)
            distances[:, np.array(known.ends) == 0] = np.nan
            sums.between[0, sums.maps : sums.maps + n_scopes * n_maps] = distances.T.ravel()
        sums.advance(n_scopes * n_maps, atoms)

    def _masses(self, i: int, known: CrystalWords, shares: np.ndarray) -> None:
        """Means over atoms of (heads, atoms, scopes, columns) shares."""
        found = np.full((len(known.ends), self.n_heads, len(MASSES)), np.nan, np.float32)
        n_plain = 1 + len(PLAIN)
        plain = np.add.reduce(shares[..., :n_plain], axis=1) / shares.dtype.type(shares.shape[1])
        plain = plain.swapaxes(0, 1)  # (scopes, heads, columns)
        found[..., 0] = plain[..., 0]
        found[..., 1] = plain[..., 1 + PLAIN.index("function_word")]
        found[..., 2] = plain[..., 1 + PLAIN.index("punctuation")]
        found[..., 5:] = plain[..., 1:]
        n_plain = BEFORE_SYMBOLS - 1
        if known.atoms is not None and known.own is not None:
            if len(known.atoms) != shares.shape[1]:
                raise ValueError(
                    f"crystal {self.ids[i]} has {len(known.atoms)} known elements and {shares.shape[1]} real rows"
                )
            each = np.arange(len(known.atoms))
            for column, first in ((3, n_plain), (4, n_plain + known.own.shape[1])):
                found[..., column] = shares[:, each, :, first + known.atoms].mean(0).T
        self.masses[i, :, : self.n_heads] = found
        if self.n_maps > self.n_heads:  # a mean over heads of shares is the share of the mean
            self.masses[i, :, -1] = found.mean(1)

    def _words_read_by(self, i: int) -> None:
        """Rows are tokens (or nobody knows), keys are atoms: every scope is a choice of rows."""
        known, places, keys = self.words[i], self.rows[i], self.keys[i]
        if known is not None:
            known = self._matching(i, places, 2)
            places = self._positions(places, known.order)
        maps = (
            self.array[i][:, places] if isinstance(places, slice) else np.take(self.array[i], places, axis=1)
        )
        maps = maps[:, :, keys] if isinstance(keys, slice) else np.take(maps, keys, axis=-1)
        heads, queries, n_keys = maps.shape
        ends = (queries,) if known is None else known.ends
        self.n_queries[i, : len(ends)], self.n_keys[i, : len(ends)] = ends, n_keys
        cells = self.sums.room("keys first", n_keys, self.n_maps, queries)
        own = cells[:, :heads]
        np.copyto(own, maps.transpose(2, 0, 1), casting="same_kind")
        own /= np.add.reduce(own, axis=0)
        if self.n_maps > heads:
            np.add.reduce(own, axis=1, out=cells[:, heads])
            cells[:, heads] /= heads
        if known is not None and self.read_names and self.direction and cells.size:
            words_read_by(known, cells, self.of_words, i, self.read[i])
        self.sums.take_short(cells, [*ends, *([0] * (self.row_parts - len(ends)))])

    def _of_metric(self, metric: Metric, parts: list[int]) -> np.ndarray:
        """(batch, scopes, maps) values."""
        found = np.full((len(parts), self.n_scopes, self.n_maps), np.nan)
        there = np.arange(self.key_parts) < np.array(parts)[:, None]  # (batch, parts of keys)
        if metric.family == "maps":
            of_map = metric.compute(self.sums)
            if self.row_parts > 1:
                return of_map.reshape(self.row_parts, len(parts), self.n_maps).swapaxes(0, 1)
            found[:, : self.key_parts][there] = of_map[0].reshape(-1, self.n_maps)
            return found
        values = metric.compute(self.sums)
        if self.row_parts > 1:
            return self._means_of_parts(values)
        lengths = np.repeat(self.n_queries[:, : self.key_parts][there], self.n_maps)
        found[:, : self.key_parts][there] = row_means(values, lengths).reshape(-1, self.n_maps)
        return found

    def _means_of_parts(self, values: np.ndarray) -> np.ndarray:
        """Means over the first rows of each map, one for each end; what a row has was computed once."""
        # rows between one end and the next, innermost first
        steps = np.diff(self.n_queries[:, ::-1], axis=1, prepend=0)
        steps = np.repeat(steps[:, None], self.n_maps, axis=1)  # (batch, maps, scopes)
        sums = row_sums(values, steps.ravel()).reshape(steps.shape).cumsum(-1)[..., ::-1]
        return sums.swapaxes(1, 2) / self.n_queries[..., None]

    def _matching(self, i: int, places: Places, axis: int) -> CrystalWords:
        known = self.words[i]
        assert known is not None
        if (real := self._length(places, axis)) != len(known.order):
            raise ValueError(
                f"crystal {self.ids[i]} has {len(known.order)} known tokens and {real} real positions in the map"
            )
        return known

    def _positions(self, places: Places, order: np.ndarray) -> np.ndarray:
        return np.asarray(order + places.start if isinstance(places, slice) else places[order])
