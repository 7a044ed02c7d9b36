"""Integer tables of a batch with one row a crystal: token ids, and the masks beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.hooks.reading.batch import fields_of

#: Nested values are followed this far down, and wider tables are not token ids.
_DEEPEST, _WIDEST = 4, 16384


@dataclass(frozen=True)
class Table:
    """Integers of a batch, one row a crystal, as the model was given them."""

    rows: tuple[tuple[int, ...], ...]

    @property
    def width(self) -> int:
        return max(len(r) for r in self.rows)


def tables_in(value: Any, n: int) -> list[Table]:
    """Integer tables with one row a crystal, anywhere in nested values; each once."""
    found: dict[tuple[tuple[int, ...], ...], Table] = {}
    for rows in _nested(value, n, 0):
        if rows and any(rows):
            found.setdefault(rows, Table(rows))
    return list(found.values())


def _nested(value: Any, n: int, depth: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    if depth > _DEEPEST or isinstance(value, (str, bytes)):
        return
    if _is_integers(value):
        if value.ndim == 2 and value.shape[0] == n and 0 < value.shape[1] <= _WIDEST:
            rows = value.tolist()
            yield tuple(tuple(map(int, row)) if type(row[0]) is bool else tuple(row) for row in rows)
        elif value.ndim == 1 and n == 1 and len(value):
            yield (tuple(int(v) for v in value.tolist()),)
        return
    if isinstance(value, (list, tuple)):
        if len(value) == n and all(_is_row(v) for v in value):
            yield tuple(tuple(row_of(v)) for v in value)
        if n == 1 and value and all(type(v) is int for v in value):
            yield (tuple(value),)
        if len(value) > 4096 or (value and isinstance(value[0], (int, float))):
            return
        for item in value:
            yield from _nested(item, n, depth + 1)
        if len(value) == n and value and all(isinstance(v, dict) for v in value):
            for key in value[0]:
                column = [v.get(key) for v in value]
                if all(_is_row(v) for v in column):
                    yield tuple(tuple(row_of(v)) for v in column)
        return
    if isinstance(value, Mapping):
        for item in list(value.values()):
            yield from _nested(item, n, depth + 1)
        return
    if not callable(value) and not hasattr(value, "parameters") and not hasattr(value, "shape"):
        for item in list(fields_of(value).values())[:64]:
            yield from _nested(item, n, depth + 1)


def _is_integers(value: Any) -> bool:
    """A tensor or array of whole numbers (masks among them)."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype") or not hasattr(value, "tolist"):
        return False
    kind = str(value.dtype).removeprefix("torch.")
    return kind.startswith(("int", "uint", "bool", "long"))


def _is_row(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(type(v) in (int, bool) for v in value)
    return _is_integers(value) and value.ndim == 1 and bool(len(value))


def row_of(values: Any) -> list[int]:
    return [int(x) for x in (values.tolist() if hasattr(values, "tolist") else values)]
