"""What stands in a batch: its values by name, however it is nested, and the graph it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from crysmm_attn_plugin.hooks.reading.records import ID_NAMES

#: Levels of tuples, mappings and objects that are looked into.
DEPTH = 4
#: Members of a container that are looked at; a batch of more things than this is data, not structure.
WIDTH = 256


#: Numbers in a tensor beyond which it says nothing of who is in a batch, and is not copied.
LARGEST = 2**22
#: Node data of a graph that say which element an atom is.
NODE_ELEMENTS = ("atomic_number", "atomic_numbers", "Z", "z", "atom_features")


@dataclass(frozen=True)
class Graph:
    """What is kept of a batched graph: atoms of each crystal, None where it does not say, and its data of elements."""

    counts: list[int] | None
    ndata: Mapping[str, torch.Tensor] | None


class Snapshot:
    """A batch as the loader yielded it: a model may write to its tensors, or exchange them, before anybody looks.

    Args:
        batch: The batch; its leaves are copied.
    """

    def __init__(self, batch: Any) -> None:
        self.leaves = [(name, _copy(leaf)) for name, leaf in leaves(batch)]
        graph = first_graph(batch)
        self.graph = None if graph is None else Graph(graph_counts(graph), _elements_of(graph))


def _copy(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        return leaf.detach().clone() if leaf.numel() <= LARGEST and leaf.layout == torch.strided else leaf
    if isinstance(leaf, (list, tuple)):
        return [_copy(v) if isinstance(v, torch.Tensor) else v for v in leaf]
    return leaf.copy() if _array(leaf) and leaf.size <= LARGEST else leaf


def _elements_of(graph: Any) -> Mapping[str, torch.Tensor] | None:
    nodes = getattr(graph, "ndata", None)
    return None if nodes is None else {key: _copy(nodes[key]) for key in NODE_ELEMENTS if key in nodes}


def leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Tensors, arrays, and lists of plain values in a batch, each with the name it stands under.

    Items of the same fields are one column a field. Looked into are mappings, tuples, lists, named tuples, graph batches with fields (PyG and its like) and plain objects.
    """
    if isinstance(value, Snapshot):
        yield from value.leaves
        return
    if value is None or depth > DEPTH:
        return
    if isinstance(value, torch.Tensor) or _array(value):
        yield name, value
        return
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, (str, int, float)) for v in value):
        yield name, value
        return
    if _items(value):
        for key in value[0]:  # one column a field
            yield str(key), [v[key] for v in value]
        return
    if isinstance(value, (str, bytes, int, float, bool)):
        return
    for key, item in _members(value, name):
        yield from leaves(item, key, depth + 1)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, torch.Tensor) for v in value):
        yield name, value  # one tensor a crystal


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Tensors of a batch, wherever they stand in it."""
    for _, leaf in leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf


def columns_of(values: Any) -> bool:
    """Whether a leaf is a column of rows of integers, one a crystal."""
    return isinstance(values, list) and all(
        isinstance(v, (list, tuple)) and v and all(isinstance(x, int) for x in v) for v in values
    )


def texts_in(value: Any, n: int | None = None) -> list[str] | None:
    """The first list of strings in a batch that read like descriptions, or None.

    Args:
        value: The batch.
        n: How many there must be.
    """
    found = [
        list(leaf)
        for _, leaf in leaves(value)
        if isinstance(leaf, (list, tuple))
        and leaf
        and all(isinstance(v, str) for v in leaf)
        and (n is None or len(leaf) == n)
    ]
    wordy = [t for t in found if any(" " in s.strip() or len(s) > 40 for s in t)]
    chosen = wordy or ([] if n is not None else found)
    return chosen[0] if chosen else None


def first_graph(value: Any, depth: int = 0) -> Any:
    """The first graph batch (DGL, or anything with per-graph node counts) in a batch, or None."""
    if isinstance(value, Snapshot):
        return value.graph
    if value is None or isinstance(value, (torch.Tensor, str, bytes, int, float)):
        return None
    if hasattr(value, "batch_num_nodes") or (_has(value, "ptr") and _has(value, "num_graphs")):
        return value
    if depth > DEPTH:
        return None
    for _, item in _members(value, ""):
        found = first_graph(item, depth + 1)
        if found is not None:
            return found
    return None


def graph_counts(graph: Any) -> list[int] | None:
    """Atoms of each crystal of a batched graph."""
    if isinstance(graph, Graph):
        return graph.counts
    if hasattr(graph, "batch_num_nodes"):
        # a method in DGL; in alignn's DGL-free graphs a tensor, or None where the batch is one crystal
        counts = graph.batch_num_nodes() if callable(graph.batch_num_nodes) else graph.batch_num_nodes
        return [int(graph.num_nodes)] if counts is None else [int(n) for n in counts.tolist()]
    pointer = getattr(graph, "ptr", None)
    return None if pointer is None else [int(n) for n in (pointer[1:] - pointer[:-1]).tolist()]


def holds_several(batch: Any) -> bool:
    """Whether an item of a data set is a batch by itself: its graph, ids or texts are of several crystals, or its fields are rows.

    Rows are tensors that agree on their number, whole numbers among them of more than one width, atoms' and tokens'.
    """
    graph = first_graph(batch)
    counts = None if graph is None else graph_counts(graph)
    if counts is not None:
        return len(counts) > 1
    fields = list(leaves(batch))
    for name, leaf in fields:
        listed = isinstance(leaf, (list, tuple)) and len(leaf) > 1
        if listed and (
            name.lower() in ID_NAMES or all(isinstance(v, str) and " " in v.strip() for v in leaf)
        ):
            return True
    tensors = [leaf for _, leaf in fields if isinstance(leaf, torch.Tensor) and leaf.ndim]
    rows = {int(t.shape[0]) for t in tensors}
    widths = {int(t.shape[1]) for t in tensors if t.ndim == 2 and not t.is_floating_point()}
    return len(rows) == 1 and rows != {1} and len(widths) > 1


def _items(value: Any) -> bool:
    """Whether these are the items of a batch as the data set gave them: mappings of the same fields, one a crystal.

    A tuple may as well be a batch of several parts (or a call's arguments); items tell themselves by a field of one value.
    """
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(v, Mapping) for v in value):
        return False
    if any(v.keys() != value[0].keys() for v in value):
        return False
    single = any(
        isinstance(x, (str, int, float)) or (isinstance(x, torch.Tensor) and not x.ndim)
        for x in value[0].values()
    )
    return isinstance(value, list) or (len(value) > 1 and single)


def _has(value: Any, name: str) -> bool:
    try:
        return getattr(value, name, None) is not None
    except (AttributeError, KeyError, RuntimeError, ValueError):
        return False


def _array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "shape")


def _members(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in list(value.items())[:WIDTH]:
            yield str(key), item
    elif isinstance(value, (list, tuple)):
        names: Sequence[str] = getattr(value, "_fields", ())
        for i, item in enumerate(value[:WIDTH]):
            yield (names[i] if i < len(names) else name), item
    elif hasattr(value, "batch_num_nodes"):
        return  # a graph of DGL: its data are not the batch's own fields
    elif callable(getattr(value, "to_dict", None)) and any(
        c.__module__.startswith("torch_geometric")
        for c in type(value).__mro__  # batches are of a class made at run time
    ):
        for key, item in list(value.to_dict().items())[:WIDTH]:
            yield str(key), item
    elif not callable(value) and not isinstance(value, torch.nn.Module):
        for key, item in list(fields_of(value).items())[:WIDTH]:
            if not key.startswith("_"):
                yield key, item


def fields_of(value: Any) -> dict[str, Any]:
    """Attributes of a plain object, those in slots among them."""
    slots = [
        name for c in type(value).__mro__ for name in _slots(c) if name not in ("__dict__", "__weakref__")
    ]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return {**held, **getattr(value, "__dict__", {})}


def _slots(kind: type) -> Sequence[str]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
