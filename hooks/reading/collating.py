"""Whether a collate function keeps the items of a batch in the order in which the sampler named them.

A loader's sampler says which items a batch holds; a collate function may sort them, or leave some out. What the items hold
(a target, an id, a text, atomic numbers) is looked for in the batch that was made of them: rows that are found in another
order give the order. In worker processes that were forked, a byte shared with the host's process tells it so.
"""

from __future__ import annotations

import mmap
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info
from torch.utils.data._utils import fetch as torch_fetch

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading.batch import leaves
from crysmm_attn_plugin.hooks.reading.records import ID_NAMES, locate, stored

#: Order of a batch's rows: places among the items; empty where rows were exchanged and nobody can say how.
Order = tuple[int, ...]
Column = list[Any]
Path = tuple[Any, ...]
#: Numbers of a row beyond which it is not compared.
LONGEST = 4096
#: Columns that are enough to tell an order, and members of an item that are looked at.
ENOUGH, WIDTH = 2, 32

_fetcher: Any = torch_fetch._MapDatasetFetcher
_fetch: Any = _fetcher.fetch
_here = threading.local()
#: What workers that are being started tell by; see ``shared``.
_shared: mmap.mmap | None = None


def _watched_fetch(self: Any, index: Any) -> Any:
    if not self.auto_collation:
        return _fetch(self, index)
    collate = self.collate_fn

    def watched(items: Any) -> Any:
        if _guarded(lambda: others(self.dataset, index, items)):
            _found((), len(items))
            return collate(items)
        columns = _guarded(lambda: columns_of_items(items)) or []
        count = len(items) if columns else 0  # before the host takes some out
        batch = collate(items)
        if columns:
            _found(_guarded(lambda: order_of_rows(columns, batch)), count)
        return batch

    self.collate_fn = watched
    try:
        return _fetch(self, index)
    finally:
        self.collate_fn = collate


def _guarded(look: Any) -> Any:
    """What ``look`` finds; a fault of ours is not the host's."""
    try:
        with busy.working(), torch.no_grad():
            return look()
    except Exception:
        return None


def _found(order: Order | None, items: int) -> None:
    _here.order = order
    in_worker = get_worker_info() is not None
    if in_worker and _shared is not None and order is not None and order != tuple(range(items)):
        _shared[0] = 1


def place() -> None:
    """Watch loaders that fetch items and make batches of them."""
    if _fetcher.fetch is _fetch:
        _fetcher.fetch = _watched_fetch


def put_back() -> None:
    """Watch no more."""
    if _fetcher.fetch is _watched_fetch:
        _fetcher.fetch = _fetch


def forget() -> None:
    """Before a batch is asked for: what the one before was like is over."""
    _here.order = None


def arranged(positions: tuple[int, ...] | None, told: mmap.mmap | None) -> tuple[int, ...] | None:
    """The sampler's positions in the order of the rows of the batch that was just made; None where nobody can say.

    Args:
        positions: Of the batch, as the sampler gave them.
        told: Of the loader's workers; see ``shared``.
    """
    if told is not None and told[0]:
        return None
    order: Order | None = getattr(_here, "order", None)
    if order is None or positions is None:
        return positions
    if not order or max(order) >= len(positions):
        return None
    return tuple(positions[i] for i in order)


def shared(loader: Any) -> mmap.mmap | None:
    """A byte that the workers of a loop which begins now share with this process; None without workers."""
    global _shared
    _shared = mmap.mmap(-1, 1) if getattr(loader, "num_workers", 0) else None
    return _shared


def others(dataset: Any, index: Any, items: Any) -> bool:
    """Whether the items say themselves that they are not those whose ids the data set has at these places."""
    for place, item in zip(index, items):
        own = dict(item) if isinstance(item, Mapping) else getattr(item, "__dict__", {})
        said = next(
            (v for k, v in own.items() if str(k).lower() in ID_NAMES and isinstance(v, (str, int))), None
        )
        if said is None:
            return False
        inner, position = locate(dataset, int(place))
        known = stored(inner, position, ID_NAMES)
        if isinstance(known, type(said)) and known != said:
            return True
    return False


# -- what items and rows say -----------------------------------------------------------------------------------


def columns_of_items(items: Any) -> list[Column]:
    """Fields that tell the items of a batch apart, one value an item: numbers and texts, else rows of whole numbers."""
    if not isinstance(items, (list, tuple)) or len(items) < 2:
        return []
    found: list[Column] = []
    for rows in (False, True):
        for path in [p for p, v in _fields(items[0]) if isinstance(v, tuple) is rows]:
            column = [_plain(_at(item, path)) for item in items]
            if None not in column and len(set(column)) > 1:
                found.append(column)
        if len(found) >= ENOUGH:
            break
    return found


def _fields(item: Any, path: Path = (), depth: int = 0) -> Iterator[tuple[Path, Any]]:
    """Places in an item whose value can be compared, and the value."""
    value = _plain(item)
    if value is not None:
        yield path, value
    elif depth < 2:
        for key, part in _parts(item):
            yield from _fields(part, (*path, key), depth + 1)


def _parts(item: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(item, Mapping):
        return item.items()
    if isinstance(item, (list, tuple)):
        return enumerate(item[:WIDTH])
    if isinstance(item, (torch.Tensor, np.ndarray, str)) or type(item).__module__.startswith("dgl"):
        return ()
    if callable(getattr(item, "to_dict", None)) and hasattr(item, "num_nodes"):
        fields: Iterable[tuple[Any, Any]] = item.to_dict().items()
        return fields
    if hasattr(item, "__dict__") and not callable(item):
        return [(k, v) for k, v in vars(item).items() if not k.startswith("_")]
    return ()


def _at(item: Any, path: Path) -> Any:
    """The value at a place of an item; None where it has no such place."""
    for key in path:
        try:
            item = item[key] if hasattr(item, "__getitem__") else getattr(item, key)
        except (AttributeError, IndexError, KeyError, TypeError):
            return None
    return item


def _plain(value: Any) -> Any:
    """A value to compare: a text, a number in single precision, a row of whole numbers; None where it is neither."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float, np.generic)):
        return float(np.float32(value)) if not isinstance(value, np.str_) else str(value)
    if isinstance(value, (torch.Tensor, np.ndarray)):
        size = value.numel() if isinstance(value, torch.Tensor) else value.size
        if size == 1:
            return float(np.float32(value.item()))
        if value.ndim == 1 and 1 < size <= LONGEST and not _floating(value):
            return tuple(value.tolist())
    if isinstance(value, (list, tuple)) and 1 < len(value) <= LONGEST and all(type(x) is int for x in value):
        return tuple(value)
    return None


def _floating(value: Any) -> bool:
    return value.is_floating_point() if isinstance(value, torch.Tensor) else value.dtype.kind not in "iub"


def order_of_rows(columns: Sequence[Column], batch: Any) -> Order | None:
    """Where the rows of a batch stand among the items that it was made of.

    Args:
        columns: Of the items.
        batch: What the collate function made of them.

    Returns:
        The rows' places; in order as soon as one field is. Empty where fields were exchanged and do not say how; None where
        no field is found again.
    """
    told: list[Order] = []
    found = [leaf for _, leaf in leaves(batch)]
    # one row alone may be anything, but in a batch that holds nothing of as many rows as there were items
    fewest = 2 if any(len(leaf) == len(columns[0]) for leaf in found if _has_rows(leaf)) else 1
    for of_rows in (_values, _padded):
        for leaf in found:
            rows = of_rows(leaf) or []
            for column in columns if len(rows) >= fewest else ():
                order = _match(column, rows, cut=of_rows is _padded)
                if order == tuple(range(len(column))):
                    return order
                if order is not None:
                    told.append(order)
        if told:
            return told[0] if len(set(told)) == 1 else ()
    return None


def _has_rows(leaf: Any) -> bool:
    return isinstance(leaf, (list, tuple)) or getattr(leaf, "ndim", 0) > 0


def _values(leaf: Any) -> Column | None:
    """A leaf of one value a row."""
    if isinstance(leaf, (list, tuple)):
        found = [_plain(v) for v in leaf]
        return None if any(v is None for v in found) else found
    if leaf.ndim == 1 or (leaf.ndim == 2 and leaf.shape[1] == 1):
        return [float(np.float32(v)) for v in leaf.reshape(-1).tolist()] if len(leaf) <= LONGEST else None
    return None


def _padded(leaf: Any) -> Column | None:
    """A leaf of one padded row of whole numbers a row."""
    if isinstance(leaf, (list, tuple)) or leaf.ndim != 2 or leaf.shape[1] < 2 or _floating(leaf):
        return None
    return [tuple(row) for row in leaf.tolist()] if leaf.shape[1] <= LONGEST else None


def _match(column: Column, rows: Column, *, cut: bool) -> Order | None:
    """Places of the rows in a column; empty where they are the column's values in another order that nobody can tell."""
    if cut:
        column = [
            (int(v),) if isinstance(v, float) and v.is_integer() else v for v in column
        ]  # one atom alone
        if not all(isinstance(v, tuple) for v in column):
            return None
        lengths = {len(v) for v in column}
        known = set(column)
        rows = [
            next(
                (
                    row[:n]
                    for n in sorted(lengths, reverse=True)
                    if row[:n] in known and len(set(row[n:])) < 2
                ),
                None,
            )
            for row in rows
        ]
        if any(row is None for row in rows):
            return None
    if rows == column:
        return tuple(range(len(column)))
    few = len(rows) < len(column)
    if few and all(isinstance(v, (bool, float)) and float(v).is_integer() for v in rows):
        return None  # a few whole numbers are found anywhere
    if Counter(rows) - Counter(column) or len(rows) > len(column):
        return None
    if len(set(column)) < len(column):
        return ()
    place = {v: i for i, v in enumerate(column)}
    return tuple(place[v] for v in rows)
