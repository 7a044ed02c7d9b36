"""The ways in which hosts lay out an attention map, and each one's way to (crystals, heads, queries, keys).

The axis of the keys is known from the softmax; the others are tried, and only layouts that hold in every batch of a pass
are believed (see ``sites``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch


@dataclass(frozen=True)
class Layout:
    """One way to read a map whose keys are its last axis.

    Attributes:
        kind: ``axes`` (order of crystal, head and query axes in ``order``; -1: there is none), ``bh`` and ``hb`` (crystals
            and heads merged, crystals or heads first), ``flat`` (all crystals' queries in one axis; ``order`` says where
            it and the heads stand).
        order: See ``kind``.
        heads: Number of merged heads, 0 where none are merged.
    """

    kind: str
    order: tuple[int, int, int] = (-1, -1, -1)
    heads: int = 0

    def crystals(self, shape: Sequence[int], sizes: Sequence[int] | None, done: int) -> int | None:
        """How many crystals a map of this shape covers; None when it cannot have this layout.

        Args:
            shape: Of the map, keys last.
            sizes: Queries of each crystal of the batch, where they are known (flat layouts need them).
            done: Crystals that maps before this one have covered.
        """
        if self.kind == "axes":
            return 1 if self.order[0] < 0 else int(shape[self.order[0]])
        if self.kind in ("bh", "hb"):
            return int(shape[0]) // self.heads if shape[0] % self.heads == 0 else None
        if sizes is None:
            return None
        total, covered = 0, 0
        for size in sizes[done:]:
            total += size
            covered += 1
            if total >= shape[self.order[2]]:
                break
        return covered if covered and total == shape[self.order[2]] else None

    def arranged(self, value: torch.Tensor, sizes: Sequence[int] | None = None) -> torch.Tensor:
        """A map, keys last, as (crystals, heads, queries, keys); flat queries are padded with zeros (a mask: with True).

        Args:
            value: (..., keys).
            sizes: Queries of each crystal that it covers, for flat layouts.
        """
        if self.kind == "axes":
            parts = value
            order = list(self.order)
            for i in range(3):
                if order[i] < 0:
                    parts = parts.unsqueeze(parts.ndim - 1)
                    order[i] = parts.ndim - 2
            return parts.permute(*order, parts.ndim - 1)
        if self.kind == "bh":
            return value.reshape(-1, self.heads, *value.shape[1:])
        if self.kind == "hb":
            return value.reshape(self.heads, -1, *value.shape[1:]).transpose(0, 1)
        assert sizes is not None
        rows = value.movedim(self.order[2], 0)  # (queries, [heads], keys)
        rows = rows.unsqueeze(1) if rows.ndim == 2 else rows
        fill = 1 if value.dtype == torch.bool else 0
        out = rows.new_full((len(sizes), max(sizes), *rows.shape[1:]), fill)
        for i, part in enumerate(rows.split(list(sizes))):
            out[i, : part.shape[0]] = part
        return out.transpose(1, 2)


def candidates(shape: Sequence[int], n: int) -> Iterator[Layout]:
    """Layouts a map of this shape may have, in the order in which convention prefers them.

    Args:
        shape: Of the map, keys last.
        n: Crystals of the batch.
    """
    others = len(shape) - 1
    if others == 3:
        for order in sorted(permutations(range(3)), key=_unusual):
            yield Layout("axes", order)  # type: ignore[arg-type]
    elif others == 2:
        yield Layout("axes", (0, -1, 1))
        for heads in _divisors(shape[0]):
            if heads > 1:
                yield Layout("bh", heads=heads)
        yield Layout("axes", (-1, 0, 1))
        yield Layout("axes", (-1, 1, 0))
        yield Layout("axes", (1, -1, 0))
        yield Layout("flat", (-1, 1, 0))
        yield Layout("flat", (-1, 0, 1))
        for heads in _divisors(shape[0]):
            if heads > 1:
                yield Layout("hb", heads=heads)
    elif others == 1:
        yield Layout("axes", (0, -1, -1))
        yield Layout("axes", (-1, -1, 0))
        yield Layout("flat", (-1, -1, 0))


def _unusual(order: tuple[int, ...]) -> tuple[bool, bool, tuple[int, ...]]:
    """Crystals first, then heads before queries, as torch has it."""
    return order[0] != 0, order[1] > order[2], order


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
