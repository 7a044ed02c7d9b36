"""Which atoms each crystal of a batch has: from its data set, its graph, or fields of the batch, each checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from crysmm_attn_plugin.errors import IdentityError
from crysmm_attn_plugin.hooks.reading.batch import columns_of, first_graph, graph_counts, leaves
from crysmm_attn_plugin.hooks.reading.elements import UNKNOWN, elements_from_graph
from crysmm_attn_plugin.text.elements import ELEMENTS

#: Names under which hosts keep atomic numbers, and atom counts.
NUMBER_NAMES = (
    "z",
    "atomic_numbers",
    "atomic_number",
    "atomic_num",
    "numbers",
    "atom_types",
    "species",
    "atoms_z",
)
COUNT_NAMES = ("natoms", "n_atoms", "num_atoms", "num_nodes", "n_nodes", "atom_counts")
Elements = tuple[tuple[str, ...] | None, ...]


@dataclass
class Atoms:
    """Atoms of a batch.

    Attributes:
        counts: Atoms of each crystal, None where unknown.
        elements: Symbols of each crystal in node order, None where unknown.
        widths: Lengths that a padded axis of atoms may have.
        masks: (batch, n) bool tensors that say which positions of a padded axis are real, where the batch holds any.
    """

    counts: list[int] | None = None
    elements: Elements | None = None
    widths: set[int] = field(default_factory=set)


def atoms_of(
    batch: Any,
    n: int,
    known: Elements | None,
    ids: Sequence[str],
    texts: list[str] | None,
    firm: bool = True,
) -> Atoms:
    """Counts and elements of a batch's ``n`` crystals.

    Args:
        batch: The batch as yielded.
        n: Crystals in it.
        known: What the data set says, entries None where it says nothing.
        ids, texts: For messages, and for elements that features do not tell apart.
        firm: The data set's word counts; else it is let go where the batch says otherwise.

    Raises:
        IdentityError: When two sources disagree; the message shows both.
    """
    graph = first_graph(batch)
    counts = graph_counts(graph) if graph is not None else None
    if counts is not None and len(counts) != n:
        raise IdentityError(f"the batch's graph holds {len(counts)} crystals, its positions name {n}.")
    numbers, widths = _numbers(batch, n, counts)
    if counts is None:
        counts = [len(z) for z in numbers] if numbers is not None else _counts(batch, n)
    if known is not None and not firm and _otherwise(known, counts, _symbols(numbers)):
        known = None
    if known is not None and any(e is not None for e in known):
        said = [None if e is None else len(e) for e in known]
        if counts is None and all(x is not None for x in said):
            counts = [int(x) for x in said if x is not None]
        for crystal, mine, given in zip(ids, said, counts or said):
            if mine is not None and mine != given:
                raise IdentityError(
                    f"crystal {crystal!r} has {mine} atoms in the data set but {given} in the batch; the data set's "
                    "order is not the loader's."
                )
    elements = _merged(known, _symbols(numbers), ids)
    if (elements is None or any(e is None for e in elements)) and graph is not None:
        from_graph = elements_from_graph(graph, counts, ids, texts)
        if from_graph is not None:
            elements = tuple(e or g for e, g in zip(elements or (None,) * n, from_graph))
    if counts is not None:
        widths.add(max(counts))
    return Atoms(counts, elements, widths)


def _otherwise(known: Elements, counts: list[int] | None, given: Elements | None) -> bool:
    """Whether the batch says something else of any crystal."""
    if counts is not None and any(e is not None and len(e) != n for e, n in zip(known, counts)):
        return True
    return given is not None and any(e is not None and e != g for e, g in zip(known, given))


def _merged(known: Elements | None, given: Elements | None, ids: Sequence[str]) -> Elements | None:
    if known is None or given is None:
        return known if given is None else given
    out = []
    for crystal, a, b in zip(ids, known, given):
        if a is not None and b is not None and UNKNOWN not in a and a != b:
            raise IdentityError(
                f"crystal {crystal!r} is {' '.join(a[:8])} in the data set but {' '.join(b[:8])} in the batch; the data "
                "set's order is not the loader's, or one of the two is not a list of elements."
            )
        out.append(a if a is not None else b)
    return tuple(out)


def _symbols(numbers: list[list[int]] | None) -> Elements | None:
    if numbers is None:
        return None
    return tuple(tuple(ELEMENTS[z - 1] for z in row) for row in numbers)


def _numbers(batch: Any, n: int, counts: list[int] | None) -> tuple[list[list[int]] | None, set[int]]:
    """Atomic numbers a crystal from a field of that meaning, and the widths of padded ones."""
    found: list[list[list[int]]] = []
    widths: set[int] = set()
    sizes = counts or _counts(batch, n)
    for name, leaf in leaves(batch):
        if name.lower() not in NUMBER_NAMES:
            continue
        rows = _rows(leaf, n, sizes)
        if rows is None or any(not 1 <= z <= len(ELEMENTS) for row in rows for z in row) or not all(rows):
            continue
        if counts is not None and [len(r) for r in rows] != counts:
            continue
        found.append(rows)
        if isinstance(leaf, torch.Tensor) and leaf.ndim == 2:
            widths.add(int(leaf.shape[1]))
    if any(other != found[0] for other in found[1:]):
        return None, widths
    return (found[0] if found else None), widths


def _rows(leaf: Any, n: int, counts: list[int] | None) -> list[list[int]] | None:
    """A field of integers as one list a crystal: padded with zeros, flat with known counts, or one tensor a crystal."""
    if isinstance(leaf, (list, tuple)):
        if len(leaf) == n and columns_of(leaf):
            return [list(row) for row in leaf]
        if len(leaf) == n and all(isinstance(x, torch.Tensor) for x in leaf):
            return [[int(v) for v in x.flatten().tolist()] for x in leaf]
        if not all(isinstance(x, int) for x in leaf):
            return None
        leaf = torch.tensor(leaf, device="cpu")
    if not hasattr(leaf, "shape"):
        return None
    tensor = leaf if isinstance(leaf, torch.Tensor) else torch.as_tensor(leaf, device="cpu")
    if tensor.is_floating_point() and not bool((tensor == tensor.round()).all()):
        return None
    if tensor.ndim == 2 and tensor.shape[0] == n and tensor.shape[1] != 1:
        rows = [[int(v) for v in row] for row in tensor.tolist()]
        trimmed = []
        for row in rows:
            while row and row[-1] <= 0:
                row.pop()
            trimmed.append(row)
        return trimmed
    flat = tensor.flatten()
    if counts is not None and flat.numel() == sum(counts):
        return [[int(v) for v in part.tolist()] for part in flat.split(counts)]
    return [[int(v) for v in flat.tolist()]] if n == 1 else None


def _counts(batch: Any, n: int) -> list[int] | None:
    """Atoms of each crystal from a field that counts them, or from one that numbers the crystal of each atom."""
    for name, leaf in leaves(batch):
        if name.lower() in COUNT_NAMES and isinstance(leaf, (torch.Tensor, list, tuple)):
            values = leaf.flatten().tolist() if isinstance(leaf, torch.Tensor) else list(leaf)
            if len(values) == n and all(isinstance(v, int) and v > 0 for v in values):
                return values
    for name, leaf in leaves(batch):
        if name.lower() in ("batch", "batch_idx", "node_batch", "atom_batch") and isinstance(
            leaf, torch.Tensor
        ):
            if leaf.ndim != 1 or leaf.is_floating_point() or not leaf.numel():
                continue
            if bool((leaf[1:] >= leaf[:-1]).all()) and int(leaf[0]) == 0 and int(leaf[-1]) == n - 1:
                return [int(c) for c in torch.bincount(leaf.cpu(), minlength=n).tolist()]
    return None
