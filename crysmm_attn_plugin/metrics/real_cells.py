"""One crystal's maps as numpy arrays of real cells: the sums that every metric is made of.

Nothing padded comes in here, so that a crystal's numbers cannot depend on the batch that it stood in, and no time goes
into sorting padding. Maps are gone over in pieces that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import torch

#: Piece of a crystal's maps worked on at once.
PIECE_BYTES = 512 * 1024
#: Logarithms taken in one call: no more than torch leaves to one thread, so that the host's threads stay asleep.
LOGS_AT_ONCE = 32768
#: A weight counts as above this share of its row; no more than ten weights can be.
SHARE = 0.1
TOP = 10
#: Rows up to which all pairs are subtracted; above, a sort of each column is faster.
FEW_ROWS = 8
#: Rows more than in the part before, up to which only their distances are added: the special tokens, as a rule.
ADDED_ROWS = 4

#: What a metric may need.
NEEDS = ("log", "squares", "order", "between")


class MapSums:
    """Sums over the keys of every row, and distances between the rows of every map, filled crystal by crystal.

    Args:
        n_rows: Rows to come: queries of every map of every crystal.
        n_maps: Maps to come: heads of every crystal.
        needs: Which of ``NEEDS`` are wanted; the others stay NaN.
        dtype: float32 or float64, of weights and sums.
        parts: Choices of rows for which ``between`` is wanted.

    Attributes:
        total, plogp, squares: (n_rows,) sums of w, w ln w and w squared; metrics divide by the total.
        largest: Largest weight.
        above: How many weights are above a tenth of the total.
        spread: Sum over all pairs of keys of the difference of their weights.
        n_keys: Keys of each row.
        between: (parts, n_maps) mean total variation distance over all pairs of rows.
    """

    def __init__(
        self,
        n_rows: int,
        n_maps: int,
        needs: Collection[str] = NEEDS,
        dtype: type = np.float32,
        parts: int = 1,
    ) -> None:
        self.needs = frozenset(needs)
        self.dtype = np.dtype(dtype)
        self.of_powers = np.full((3, n_rows), np.nan, self.dtype)
        self.total, self.plogp, self.squares = self.of_powers
        self.spread = np.full(n_rows, np.nan, self.dtype)
        self.n_keys = np.zeros(n_rows, self.dtype)
        self.between = np.full((parts, n_maps), np.nan, self.dtype)
        self.largest, self.above = (np.full(n_rows, np.nan, self.dtype) for _ in range(2))
        self.rows = self.maps = 0
        self._rooms: dict[str, np.ndarray] = {}
        eps = np.finfo(self.dtype).eps
        self._line, self._resolution = self.dtype.type(SHARE * (1 + 4 * eps)), 4 * eps

    def add(self, maps: np.ndarray) -> None:
        """Take one crystal's maps.

        Args:
            maps: (maps, queries, keys) weights of any floating type and layout, real cells only; left as they are.
        """
        n_maps, queries, keys = maps.shape
        step = max(1, PIECE_BYTES // max(queries * keys * self.dtype.itemsize, 1))
        for first in range(0, n_maps, step):
            piece = maps[first : first + step]
            cells = self.room("cells", *piece.shape)
            np.copyto(cells, piece, casting="same_kind")
            self.take(cells)

    def room(self, name: str, *shape: int) -> np.ndarray:
        """A named array of this shape to be filled; valid until it is asked for again."""
        size = 1
        for length in shape:
            size *= length
        held = self._rooms.get(name)
        if held is None or held.size < size:
            held = self._rooms[name] = np.empty(size, self.dtype)
        return held[:size].reshape(shape)

    def take(self, cells: np.ndarray, ends: Sequence[int] | None = None) -> None:
        """As ``add``, for an array that may be sorted in place.

        Args:
            cells: (maps, queries, keys).
            ends: For each part, how many of the first rows it has; all rows when None.
        """
        n_maps, queries, keys = cells.shape
        if cells.size:
            flat = cells.reshape(-1, keys)
            at = slice(self.rows, self.rows + len(flat))
            total = np.matmul(flat, ramps(keys, self.dtype)[0], out=self.total[at])
            self.n_keys[at] = keys
            if "between" in self.needs:
                shares = self.room("shares", queries, n_maps, keys)
                np.divide(cells.transpose(1, 0, 2), total.reshape(n_maps, queries).T[:, :, None], out=shares)
                found = self.distances(shares, [queries] if ends is None else ends)
                self.between[:, self.maps : self.maps + n_maps] = found[..., 0]
            lowest = self.order(flat, at) if "order" in self.needs else float(flat.min())
            if "squares" in self.needs:
                np.matmul(flat[:, None], flat[..., None], out=self.squares[at, None, None])
            if "log" in self.needs:
                logs = self.room("logs", *flat.shape)
                log_of(flat, logs, lowest)
                np.matmul(flat[:, None], logs[..., None], out=self.plogp[at, None, None])
        self.advance(n_maps, queries)

    def order(self, flat: np.ndarray, at: slice, *, positive: bool = False) -> float:
        """Sort rows in place and keep what depends on their order.

        Args:
            flat: (rows, keys).
            at: Where the rows are.
            positive: That no weight is negative is known.

        Returns:
            The lowest weight (zero when it was not looked for).
        """
        lowest = sort(flat, positive=positive)
        self.largest[at] = flat[:, -1]
        np.add.reduce(flat[:, -TOP:] > self.line(at)[:, None], axis=-1, out=self.above[at])
        np.matmul(flat, ramps(flat.shape[1], self.dtype)[1], out=self.spread[at])
        return lowest

    def line(self, at: slice) -> np.ndarray:
        """What a weight of each row must be above to count; rounding must not push a tenth over it."""
        return self.total[at] * self._line

    def take_short(self, cells: np.ndarray, ends: Sequence[int]) -> None:
        """As ``take``, for maps with few keys, given keys first, so that all work runs along their many rows.

        Args:
            cells: (keys, maps, queries), rows summing to one; left as they are.
            ends: For each part, how many of the first rows it has.
        """
        keys, n_maps, queries = cells.shape
        flat = cells.reshape(keys, n_maps * queries)
        at = slice(self.rows, self.rows + flat.shape[1])
        if cells.size:
            np.add.reduce(flat, axis=0, out=self.total[at])
            self.n_keys[at] = keys
            products = self.room("products", *flat.shape)
            if "log" in self.needs:
                log_of(flat, products, float(flat.min()))
                products *= flat
                np.add.reduce(products, axis=0, out=self.plogp[at])
            if "squares" in self.needs:
                np.multiply(flat, flat, out=products)
                np.add.reduce(products, axis=0, out=self.squares[at])
            if "order" in self.needs and keys <= FEW_ROWS:
                np.maximum.reduce(flat, axis=0, out=self.largest[at])
                np.add.reduce(flat > self.line(at), axis=0, out=self.above[at])
                self.spread[at] = self._apart(flat)
            elif "order" in self.needs:
                ordered = self.room("ordered", flat.shape[1], keys)
                np.copyto(ordered, flat.T)
                self.order(ordered, at)
            if "between" in self.needs:
                self._between_nested(cells, ends)
        self.advance(n_maps, queries)

    def _between_nested(self, cells: np.ndarray, ends: Sequence[int]) -> None:
        """Distances between the first rows, for each end; a part that adds few rows to the one before needs no sort.

        Args:
            cells: (keys, maps, queries), rows summing to one; left as they are.
            ends: For each part, how many of the first rows it has.
        """
        n_maps = cells.shape[1]
        columns = self.room("columns", *cells.shape)
        np.copyto(columns, cells)
        done, apart = 0, np.zeros(n_maps, self.dtype)
        for i, m in sorted(enumerate(ends), key=lambda part: part[1]):
            if not m:
                continue
            if done and m - done <= ADDED_ROWS:
                for row in range(done, m):
                    room = self.room("apart", *cells.shape[:2], row)
                    np.subtract(columns[..., :row], cells[..., row, None], out=room)
                    apart = apart + np.add.reduce(np.abs(room, out=room), axis=(0, 2))
                found = apart / m**2
                found = np.where(found < self._resolution, 0, found)
            else:
                sort(columns[..., :m])
                found = self._inwards(np.add.reduce(columns[..., :m], axis=0))
                apart = found * m**2
            done = m
            self.between[i, self.maps : self.maps + n_maps] = found

    def distances(
        self, shares: np.ndarray, ends: Sequence[int], segments: np.ndarray | None = None
    ) -> np.ndarray:
        """Mean total variation distance over all pairs of rows, for several choices of rows.

        All m * m ordered pairs count, a row with itself too, so that a supercell (every row c times) changes nothing.

        Args:
            shares: (rows, maps, keys), rows summing to one.
            ends: For each part, how many of the first rows it has.
            segments: (segments, keys) ones where a key belongs to a segment: maps laid end to end; one segment when None.

        Returns:
            (parts, maps, segments); NaN for a part without rows.
        """
        rows, n_maps, keys = shares.shape
        segments = ramps(keys, self.dtype)[0][None] if segments is None else segments
        found = np.full((len(ends), n_maps, len(segments)), np.nan, self.dtype)
        columns = None
        for i, m in sorted(enumerate(ends), key=lambda part: part[1]):
            if 0 < m <= FEW_ROWS:
                found[i] = self._apart(shares[:m]) @ segments.T / m**2
            elif m:
                if columns is None:
                    columns = self.room("columns", n_maps, keys, rows)
                    np.copyto(columns, shares.transpose(1, 2, 0))
                # the first m rows in any order stay among the first rows of every later part
                first = columns[..., :m]
                sort(first)
                found[i] = self._inwards(segments @ first)
        return found

    def _inwards(self, of_rank: np.ndarray) -> np.ndarray:
        """Mean distances from (..., rows) sums of the smallest, second smallest, ... value of every key."""
        m = of_rank.shape[-1]
        half = m // 2  # largest minus smallest, and so on inwards
        inwards = of_rank[..., m - half :] - of_rank[..., :half][..., ::-1]
        if m == 1:
            return of_rank[..., 0] * 0  # what is not a number stays that
        found = inwards @ ramps(m, self.dtype)[1][m - half :] / m**2
        # what is below the resolution of the sums is none
        return np.where(found < self._resolution, 0, found)

    def _apart(self, values: np.ndarray) -> np.ndarray:
        """Sum over unordered pairs along the first axis of absolute differences."""
        n, *others = values.shape
        found: np.ndarray = values[0] * 0  # what is not a number stays that
        for shift in range(1, n):
            apart = self.room("apart", n - shift, *others)
            np.subtract(values[shift:], values[: n - shift], out=apart)
            found += np.add.reduce(np.abs(apart, out=apart), axis=0)
        return found

    def advance(self, n_maps: int, queries: int) -> None:
        """The next crystal's rows and maps come behind these."""
        self.rows += n_maps * queries
        self.maps += n_maps


def log_of(values: np.ndarray, out: np.ndarray, lowest: float) -> None:
    """Logarithms with w ln w = 0 at zero in mind; for many values by torch, which needs two thirds of numpy's time.

    Args:
        values: Contiguous array.
        out: Contiguous array of that shape.
        lowest: Lowest of the values.
    """
    if not lowest > 0:
        values = np.maximum(values, np.finfo(values.dtype).tiny, out=out)
    if values.size < LOGS_AT_ONCE // 2:
        np.log(values, out=out)
        return
    source, target = torch.from_numpy(values.reshape(-1)), torch.from_numpy(out.reshape(-1))
    for first in range(0, values.size, LOGS_AT_ONCE):
        piece = slice(first, first + LOGS_AT_ONCE)
        torch.log(source[piece], out=target[piece])


def sort(cells: np.ndarray, *, positive: bool = False) -> float:
    """Sort the last axis in place: weights that are not negative as the integers of their bits, which is faster.

    Args:
        cells: (..., n).
        positive: That no value is negative is known.

    Returns:
        The lowest value (zero when it was not looked for).
    """
    cells.view(np.int32 if cells.itemsize == 4 else np.int64).sort(axis=-1)
    if positive or not cells.size:
        return 0.0
    lowest = float(cells[..., 0].min())
    if not lowest >= 0:
        cells.sort(axis=-1)
    return lowest


@lru_cache(maxsize=512)
def ramps(n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Ones, and 1 - n, 3 - n ... n - 1: how often the p-th of n sorted values counts over all pairs.

    The sum of |x_a - x_b| over unordered pairs of n values is the sum of (2p - n + 1) x_(p) in ascending order.
    """
    return np.ones(n, dtype), np.arange(1 - n, n, 2, dtype=dtype)
