"""Rows between their batch and the store: one array for many batches, so that nothing small stays behind on the heap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from crysmm_attn_plugin.capture.rows import Block

#: Crystals that one array has room for.
ROOM = 512


class _Slab:
    """Blocks of one attention call, scope by scope and head by head, in arrays made once."""

    def __init__(self, block: Block) -> None:
        self.like = block
        room = max(ROOM, len(block.ids))
        _, scopes, heads, names = block.values.shape
        self.values = np.empty((room, scopes, heads, names), np.float32)
        self.n_queries, self.n_keys = (np.empty((room, scopes), np.int32) for _ in range(2))
        self.known = np.empty((room, scopes), bool)
        self.crystals = np.empty(room, np.intp)
        self.filled = 0

    def fits(self, block: Block) -> bool:
        mine = self.like
        return (
            mine.module,
            mine.number,
            mine.direction,
            mine.weights,
            mine.scopes,
            mine.heads,
            mine.names,
        ) == (
            block.module,
            block.number,
            block.direction,
            block.weights,
            block.scopes,
            block.heads,
            block.names,
        ) and self.filled + len(block.ids) <= len(self.values)

    def put(self, block: Block, first: int) -> None:
        at = slice(self.filled, self.filled + len(block.ids))
        self.values[at], self.n_queries[at], self.n_keys[at] = block.values, block.n_queries, block.n_keys
        self.known[at] = block.known
        self.crystals[at] = np.arange(first, first + len(block.ids))
        self.filled = at.stop

    @property
    def nbytes(self) -> int:
        return int(self.filled * (self.values[0].nbytes + 64))


class RowBuffer:
    """Rows of a group of crystals.

    Blocks on an accelerator are kept there and come over together when rows are asked for.
    """

    def __init__(self) -> None:
        self._slabs: list[_Slab] = []
        self._waiting: list[tuple[Block, int]] = []

    def __bool__(self) -> bool:
        return bool(self._slabs or self._waiting)

    @property
    def nbytes(self) -> int:
        """What the rows take."""
        waiting = sum(block.values.numel() * 4 for block, _ in self._waiting)
        return int(waiting + sum(slab.nbytes for slab in self._slabs))

    def put(self, blocks: Iterable[Block], first: int) -> None:
        """Take one batch's blocks.

        Args:
            blocks: Their crystals are in the order of the batch.
            first: Number of the batch's first crystal in the group.
        """
        for block in blocks:
            if isinstance(block.values, torch.Tensor):
                self._waiting.append((block, first))
            else:
                self._put(block, first)

    def _put(self, block: Block, first: int) -> None:
        slab = next((s for s in reversed(self._slabs) if s.fits(block)), None)
        if slab is None:
            self._slabs.append(slab := _Slab(block))
        slab.put(block, first)

    def settle(self) -> None:
        """Bring over what waits on an accelerator, in one wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        there = [(b.values, b.n_queries, b.n_keys) for b, _ in waiting]
        here = [tuple(t.to("cpu", non_blocking=True) for t in each) for each in there]
        for device in {b.values.device for b, _ in waiting if b.values.device.type == "cuda"}:
            torch.cuda.synchronize(device)
        for (block, first), (values, n_queries, n_keys) in zip(waiting, here):
            self._put(
                Block(
                    block.module,
                    block.number,
                    block.direction,
                    block.ids,
                    block.weights,
                    block.scopes,
                    block.heads,
                    block.names,
                    values.numpy(),
                    n_queries.numpy(),
                    n_keys.numpy(),
                    block.known,
                ),
                first,
            )

    def columns(self) -> dict[str, Any]:
        """Columns of the attention table; ``crystal`` is a crystal's number in the group."""
        self.settle()
        names = list(dict.fromkeys(n for slab in self._slabs for n in slab.like.names))
        parts: dict[str, list[Any]] = {}
        for slab in self._slabs:
            like, n = slab.like, slab.filled
            known = slab.known[:n]
            crystal, scope = np.nonzero(known)
            heads = len(like.heads)
            rows = len(crystal) * heads
            scopes = np.array(like.scopes, bool)
            columns = {
                "crystal": np.repeat(slab.crystals[:n][crystal], heads),
                "module": _constant(like.module, rows),
                "call": np.full(rows, like.number, np.int16),
                "direction": _constant(like.direction, rows),
                "head": np.tile(np.array(like.heads, np.int16), len(crystal)),
                "with_special_tokens": np.repeat(scopes[scope, 0], heads),
                "stopwords_removed": np.repeat(scopes[scope, 1], heads),
                "weights": _constant(like.weights, rows),
                "n_queries": np.repeat(slab.n_queries[:n][known], heads),
                "n_keys": np.repeat(slab.n_keys[:n][known], heads),
            }
            values = slab.values[:n][known].reshape(rows, -1)
            for name in names:
                columns[name] = (
                    np.ascontiguousarray(values[:, like.names.index(name)])
                    if name in like.names
                    else np.full(rows, np.nan, np.float32)
                )
            for name, column in columns.items():
                parts.setdefault(name, []).append(column)
        return {
            name: pa.concat_arrays(pieces) if isinstance(pieces[0], pa.Array) else np.concatenate(pieces)
            for name, pieces in parts.items()
        }

    def sums_of(self, metric: str) -> dict[tuple[str, str], tuple[float, int]]:
        """Per (module, direction): sum and count of a metric over the model's own rows with more than one query.

        Head-averaged weights count as a head.
        """
        self.settle()
        found: dict[tuple[str, str], tuple[float, int]] = {}
        for slab in self._slabs:
            like = slab.like
            if like.weights != "model" or metric not in like.names:
                continue
            several = slab.n_queries[: slab.filled, 0] > 1  # one row alone cannot differ from others
            values = slab.values[: slab.filled, 0, :, like.names.index(metric)][several]
            values = values[np.isfinite(values)]
            total, count = found.get((like.module, like.direction), (0.0, 0))
            found[like.module, like.direction] = (
                total + float(values.sum(dtype=np.float64)),
                count + values.size,
            )
        return found


def _constant(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows)
