"""What a data set keeps of an item in plain sight: attributes by name, or a record of its own, read without running its code."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

#: Names under which hosts keep what is known of a crystal, in data sets and in records.
ID_NAMES = (
    "id", "ids", "material_id", "material_ids", "mp_id", "jid", "jids", "jarvis_id", "cif_id", "cif_ids", "crystal_id",
    "crystal_ids", "sample_id", "sample_ids", "structure_id", "entry_id",
)  # fmt: skip
TEXT_NAMES = ("text", "texts", "description", "descriptions", "caption", "prompt")
TARGET_NAMES = ("labels", "targets", "label", "target")
ELEMENT_NAMES = ("elements", "symbols", "species", "z", "atomic_numbers", "numbers")
STRUCTURE_NAMES = ("atoms", "structure")


def locate(dataset: Any, position: int) -> tuple[Any, int]:
    """The data set an item comes from and its place there, through subsets and concatenations.

    A wrapper with ``ids`` of its own is not looked through.
    """
    while getattr(dataset, "ids", None) is None:
        indices = getattr(dataset, "indices", None)
        inner = getattr(dataset, "dataset", None)
        sizes = getattr(dataset, "cumulative_sizes", None)
        if inner is not None and indices is not None and hasattr(indices, "__getitem__"):
            dataset, position = inner, int(indices[position])
        elif sizes is not None and hasattr(dataset, "datasets"):
            which = bisect_right(list(sizes), position)
            dataset, position = dataset.datasets[which], position - (sizes[which - 1] if which else 0)
        else:
            break
    return dataset, position


def stored(dataset: Any, position: int, names: tuple[str, ...]) -> Any:
    """What a data set says at a position in an attribute or a table ``df`` under one of these names, or None.

    Only what has an entry for each item counts: a longer one is of the whole file, of which the items are a part.
    """
    for name in names:
        values = getattr(dataset, name, None)
        if values is not None and not callable(values) and each_item(dataset, values, position):
            return at(values, position)
    frame = getattr(dataset, "df", None)
    if frame is None or not each_item(dataset, frame, position):
        return None
    for column in getattr(frame, "columns", ()):
        if str(column).lower() in names:
            return frame[column].iloc[position]
    return None


def each_item(dataset: Any, values: Any, position: int) -> bool:
    """Whether ``values`` has one entry for each item of the data set, as far as its length is known."""
    try:
        n, count = len(dataset), len(values)
    except Exception:  # whatever a host's own __len__ raises
        return hasattr(values, "__len__") and position < len(values)
    return position < count == n


def recorded(dataset: Any, position: int, names: tuple[str, ...]) -> Any:
    """What a data set's own record of an item holds under one of these names, or None.

    Records are the data set itself when it is a list, else the one list of its attributes that has a mapping for each
    item. The data set may make something else of them, so what the batch says goes first.
    """
    record = _record(dataset, position)
    return next((record[name] for name in names if name in record), None)


def at(values: Any, position: int) -> Any:
    """The entry of a list, array, tensor or series at a position."""
    if hasattr(values, "iloc"):
        return values.iloc[position]
    value = values[position] if hasattr(values, "__getitem__") else list(values)[position]
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _record(dataset: Any, position: int) -> Mapping[str, Any]:
    if type(dataset) in (list, tuple):
        return _fields(dataset[position])
    try:
        n = len(dataset)
    except Exception:  # whatever a host's own __len__ raises
        return {}
    lists = [
        v
        for v in list(getattr(dataset, "__dict__", {}).values())
        if type(v) in (list, tuple) and len(v) == n and position < n and isinstance(v[position], Mapping)
    ]
    return _fields(lists[0][position]) if len(lists) == 1 else {}


def _fields(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return {str(k).lower(): v for k, v in item.items()}
    return getattr(item, "__dict__", {}) if not isinstance(item, (list, tuple, str, int, float)) else {}
