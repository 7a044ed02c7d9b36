"""Who is in a batch: ids, elements, tokens and targets, each labelled with what is known and checked where it can be.

Identity is labelled, not demanded: what nobody knows stays unknown and only the numbers that need it are missing. What two
sources say differently is refused, with both values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crysmm_attn_plugin.errors import IdentityError
from crysmm_attn_plugin.hooks.reading.atoms import Atoms, Elements, atoms_of
from crysmm_attn_plugin.hooks.reading.batch import (
    Snapshot,
    first_graph,
    graph_counts,
    leaves,
    tensors_in,
    texts_in,
)
from crysmm_attn_plugin.hooks.reading.elements import symbols
from crysmm_attn_plugin.hooks.reading.records import (
    ELEMENT_NAMES,
    ID_NAMES,
    STRUCTURE_NAMES,
    TARGET_NAMES,
    TEXT_NAMES,
    locate,
    recorded,
    stored,
)
from crysmm_attn_plugin.records import BatchIdentity, Structure

#: Places in the data set or in the stream, as names of crystals; of another split than the test, with its name before.
_BY_PLACE = re.compile(r"(?:loop_\d+|val|train)?([#~])\d+")


@dataclass
class BatchInputs:
    """What is known of one batch.

    Attributes:
        batch: The batch as the loader yielded it.
        positions: Data-set positions of its crystals in order, None when the loader's sampler cannot be followed.
        dataset: The loader's data set.
        seen_before: Crystals of the pass before this batch.
        tokenizer_calls: Tokenizer calls seen since the batch before, in order.
        tokenizers: Tokenizers of the host that are known.
        given: Arguments of the first outermost module calls.
        lengths: Of the axes of the attention formed on it.
        yielded: The batch's contents as they were when the loader yielded it.
    """

    batch: Any
    positions: tuple[int, ...] | None
    dataset: Any
    seen_before: int = 0
    tokenizer_calls: list[Any] = field(default_factory=list)
    tokenizers: list[Any] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)
    lengths: set[int] = field(default_factory=set)
    yielded: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self.yielded = Snapshot(self.batch)


def size_of(inputs: BatchInputs) -> int | None:
    """How many crystals a batch holds: its positions, its graph, its texts, else what its tensors agree on."""
    if inputs.positions is not None:
        return len(inputs.positions)
    graph = first_graph(inputs.yielded)
    counts = graph_counts(graph) if graph is not None else None
    if counts is not None:
        return len(counts)
    for name, leaf in leaves(inputs.yielded):
        if name.lower() in ID_NAMES and hasattr(leaf, "__len__"):
            return len(leaf)
    texts = texts_in(inputs.yielded)
    if texts is not None:
        return len(texts)
    lengths = {int(t.shape[0]) for t in tensors_in(inputs.yielded) if t.ndim}
    return lengths.pop() if len(lengths) == 1 else None


def order_label(label: str) -> str:
    """``#`` or ``~`` where a crystal is named by its place alone, else nothing."""
    found = _BY_PLACE.fullmatch(label)
    return found[1] if found else ""


def identify(inputs: BatchInputs, series: str = "") -> tuple[BatchIdentity, Atoms]:
    """Identity of a batch, tokens aside.

    Args:
        inputs: The batch.
        series: Stands before places that are all there is to name crystals by, so that splits keep theirs apart.

    Raises:
        IdentityError: When data set and batch disagree on an id's atoms, target or text, or the batch's size is unknown.
    """
    n = size_of(inputs)
    if n is None:
        raise IdentityError(
            "how many crystals a batch holds cannot be told: its sampler cannot be followed, and its fields have different "
            "lengths; put the ids into the batch, or implement the hook attn_identify_batch."
        )
    places = None if inputs.positions is None else [locate(inputs.dataset, p) for p in inputs.positions]
    ids = _ids(inputs, places, n, series)
    structures = tuple(_structure(*p) for p in places) if places is not None else None
    known: Elements | None = None
    if places is not None and structures is not None:
        known = tuple(_elements(d, p, s) for (d, p), s in zip(places, structures))
        if all(e is None for e in known):
            known = None
    firm = places is None or not any(_only_recorded(*p) for p in places)
    atoms = atoms_of(inputs.yielded, n, known, ids, texts_in(inputs.yielded, n), firm)
    if structures is not None:  # a structure of other atoms is not that of the graph
        structures = tuple(
            s if s is not None and e is not None and symbols(s.elements) == e else None
            for s, e in zip(structures, atoms.elements or (None,) * n)
        )
    targets = _targets(places, inputs.yielded, ids)
    _check_texts(places, inputs.yielded, ids)
    elements = atoms.elements if atoms.elements is not None else (None,) * n
    if structures is not None and all(s is None for s in structures):
        structures = None
    identity = BatchIdentity(
        ids, elements, None, targets, structures, None if atoms.counts is None else tuple(atoms.counts)
    )
    return identity, atoms


def _ids(inputs: BatchInputs, places: list[tuple[Any, int]] | None, n: int, series: str) -> tuple[str, ...]:
    """From the data set, else a field of the batch, else positions (``#17``), else the order of the stream (``~17``)."""
    if places is not None:
        found = [_id_at(dataset, position) for dataset, position in places]
        if all(i is not None for i in found):
            return tuple(_named(i) for i in found)
    in_batch = _ids_in_batch(inputs.yielded, n)
    if in_batch is not None:
        return in_batch
    if inputs.positions is not None:
        return tuple(f"{series}#{p}" for p in inputs.positions)
    return tuple(f"{series}~{inputs.seen_before + i}" for i in range(n))


def _named(value: str | int) -> str:
    """An id as it is stored: a null character, at which older pandas end a string, is written as its symbol."""
    return str(value).replace("\0", "\u2400")


def _id_at(dataset: Any, position: int) -> Any:
    ids = getattr(dataset, "ids", None)
    if ids is not None and not callable(ids) and position >= len(ids):
        raise IdentityError(
            f"the data set has {len(ids)} ids but the loader asked for item {position}; give it one id an item."
        )
    found = stored(dataset, position, ID_NAMES)
    found = recorded(dataset, position, ID_NAMES) if found is None else found
    return found if isinstance(found, (str, int)) else None


def _ids_in_batch(batch: Any, n: int) -> tuple[str, ...] | None:
    for name, leaf in leaves(batch):
        if name.lower() not in ID_NAMES:
            continue
        values = leaf.flatten().tolist() if hasattr(leaf, "flatten") else list(leaf)
        if len(values) == n and all(isinstance(v, (str, int)) for v in values):
            return tuple(_named(v) for v in values)
    return None


def _structure(dataset: Any, position: int) -> Structure | None:
    if callable(getattr(dataset, "structure", None)):
        found = dataset.structure(position)
        return found if isinstance(found, Structure) else None
    atoms = stored(dataset, position, STRUCTURE_NAMES)
    atoms = recorded(dataset, position, STRUCTURE_NAMES) if atoms is None else atoms
    if not isinstance(atoms, dict) or "lattice_mat" not in atoms:
        return None
    lattice = np.asarray(atoms["lattice_mat"], float)
    coords = np.asarray(atoms["coords"], float)
    if atoms.get("cartesian"):
        coords = coords @ np.linalg.inv(lattice)
    symbols = tuple(str(e).strip() for e in atoms["elements"])
    return Structure(tuple(map(tuple, lattice.tolist())), tuple(map(tuple, coords.tolist())), symbols)


def _elements(dataset: Any, position: int, structure: Structure | None) -> tuple[str, ...] | None:
    own = getattr(dataset, "elements", None)
    if callable(own):
        return symbols(own(position))
    if structure is not None:
        return symbols(structure.elements)
    found = stored(dataset, position, ELEMENT_NAMES)
    found = recorded(dataset, position, ELEMENT_NAMES) if found is None else found
    found = found.tolist() if hasattr(found, "tolist") else found
    if isinstance(found, (list, tuple)) and found and all(isinstance(x, (str, int)) for x in found):
        return symbols(found)
    return None


def _only_recorded(dataset: Any, position: int) -> bool:
    """Whether the atoms of an item are known from its record alone, of which the data set may make another cell."""
    if callable(getattr(dataset, "elements", None)) or callable(getattr(dataset, "structure", None)):
        return False
    return stored(dataset, position, (*STRUCTURE_NAMES, *ELEMENT_NAMES)) is None


def _targets(
    places: Sequence[tuple[Any, int]] | None, batch: Any, ids: Sequence[str]
) -> tuple[float | None, ...] | None:
    known = None
    if places is not None:
        kept = [stored(dataset, position, TARGET_NAMES) for dataset, position in places]
        known = None if all(v is None for v in kept) else [_number(v) for v in kept]
    in_batch = None
    for tensor in tensors_in(batch):
        if tensor.is_floating_point() and tensor.numel() == len(ids) and tensor.ndim <= 2:
            in_batch = [float(x) for x in tensor.flatten().tolist()]
    if known is not None and in_batch is not None:
        for crystal, a, b in zip(ids, known, in_batch):
            if a is not None and not np.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True):
                raise IdentityError(
                    f"crystal {crystal!r} has target {a:g} in the data set but {b:g} in the batch; the data set's order "
                    "is not the loader's."
                )
    if known is None and in_batch is None and places is not None:
        kept = [recorded(dataset, position, TARGET_NAMES) for dataset, position in places]
        known = None if all(v is None for v in kept) else [_number(v) for v in kept]
    chosen = known if known is not None else in_batch
    return None if chosen is None else tuple(chosen)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _check_texts(places: Sequence[tuple[Any, int]] | None, batch: Any, ids: Sequence[str]) -> None:
    """The batch's texts are the data set's at those positions (a host may normalise them after this)."""
    given = texts_in(batch, len(ids))
    if places is None or given is None:
        return
    for crystal, (dataset, position), text in zip(ids, places, given):
        own = stored(dataset, position, TEXT_NAMES)
        if isinstance(own, str) and own != text:
            raise IdentityError(
                f"the batch's text for crystal {crystal!r} begins {text[:40]!r}, the data set's {own[:40]!r}; "
                "the data set's order is not the loader's."
            )
