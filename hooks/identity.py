"""Who is in a batch: ids, elements and tokens matched with what the model was given, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from crysmm_attn_plugin.errors import IdentityError
from crysmm_attn_plugin.hooks.graph_elements import elements_from_graph
from crysmm_attn_plugin.hooks.tokens import TokenizerCall, labels_of
from crysmm_attn_plugin.records import BatchIdentity, Structure, TokenLabels


@dataclass
class BatchInputs:
    """What is known of one batch after its forward.

    Attributes:
        batch: The batch as the loader yielded it.
        positions: Data-set positions of its crystals in order, None when the loader's sampler cannot be followed.
        args, kwargs: The model's call arguments.
        tokenizer_calls: Tokenizer calls seen during the forward, in order.
        dataset: The loader's data set.
    """

    batch: Any
    positions: tuple[int, ...] | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dataset: Any
    tokenizer_calls: list[TokenizerCall] = field(default_factory=list)


def identify(inputs: BatchInputs) -> BatchIdentity:
    """Identity of a batch from its data set, checked against the batch itself.

    The data set is asked, at the recorded positions, for ``ids``; elements from ``elements(position)``, from ``df``
    with an ``atoms`` column (jarvis dictionaries), or from the graph; tokens from ``token_labels(position)`` or the
    tokenizer calls; targets from ``labels`` or ``targets`` or the batch. Atom counts, targets and texts of the batch
    must agree with them.

    Raises:
        IdentityError: When positions are unknown, the data set has no ids, or batch and data set disagree.
    """
    if inputs.positions is None:
        raise IdentityError(
            "the loader's sampler could not be followed, so crystals cannot be told apart; use a torch DataLoader, or "
            "implement the hook attn_identify_batch."
        )
    dataset, positions = inputs.dataset, inputs.positions
    all_ids = getattr(dataset, "ids", None)
    if all_ids is None:
        raise IdentityError(
            f"the data set {type(dataset).__name__} has no attribute ids; add one (a list of crystal ids in the order of "
            "its items), or implement the hook attn_identify_batch."
        )
    id_list = _as_list(all_ids)
    if positions and max(positions) >= len(id_list):
        raise IdentityError(
            f"the data set has {len(id_list)} ids but the loader asked for item {max(positions)}."
        )
    ids = tuple(str(id_list[p]) for p in positions)
    graph = first_graph(inputs.batch)
    counts = graph_counts(graph) if graph is not None else None
    structures = tuple(_structure(dataset, p) for p in positions)
    elements = tuple(_elements(dataset, p, s) for p, s in zip(positions, structures))
    if any(e is None for e in elements):
        elements = elements_from_graph(graph, counts, ids, texts_in(inputs.batch))
    _check_counts(ids, elements, counts)  # type: ignore[arg-type]
    targets = _targets(dataset, positions, inputs.batch, ids)
    tokens = _tokens(dataset, positions, inputs, ids)
    return BatchIdentity(ids, elements, tokens, targets, structures)  # type: ignore[arg-type]


def tensors_in(value: Any, depth: int = 0) -> Iterable[torch.Tensor]:
    """Tensors of a batch, one or two levels of tuples, lists and dicts down."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict) and depth < 3:
        for item in value.values():
            yield from tensors_in(item, depth + 1)
    elif isinstance(value, (tuple, list)) and depth < 3:
        for item in value:
            yield from tensors_in(item, depth + 1)


def belongs(batch: Any, inputs: Any) -> bool:
    """Whether a model's inputs were made from this batch: they share an object, or say the same texts or numbers.

    Masks and counts do not tell batches apart, so numbers are compared in floating-point tensors alone.
    """
    given, own = list(tensors_in(inputs)), list(tensors_in(batch))
    if any(a is b or (a.numel() and a.data_ptr() == b.data_ptr()) for a in given for b in own):
        return True
    graphs = first_graph(inputs), first_graph(batch)
    if None not in graphs and graphs[0] is graphs[1]:
        return True
    texts = texts_in(inputs), texts_in(batch)
    if None not in texts:
        return texts[0] == texts[1]
    if None not in graphs:
        return graph_counts(graphs[0]) == graph_counts(graphs[1])
    return any(
        a.is_floating_point()
        and a.numel() > 1
        and a.shape == b.shape
        and a.dtype == b.dtype
        and torch.equal(a, b.to(a.device))
        for a in given
        for b in own
    )


def texts_in(value: Any, depth: int = 0) -> list[str] | None:
    """The first list of strings in a batch, or None."""
    if isinstance(value, (tuple, list)):
        if value and all(isinstance(v, str) for v in value):
            return list(value)
        if depth < 3:
            for item in value:
                found = texts_in(item, depth + 1)
                if found is not None:
                    return found
    elif isinstance(value, dict) and depth < 3:
        return texts_in(list(value.values()), depth + 1)
    return None


def first_graph(value: Any, depth: int = 0) -> Any:
    """The first graph batch (DGL, or anything with per-graph node counts) in a batch, or None."""
    if hasattr(value, "batch_num_nodes") or (hasattr(value, "ptr") and hasattr(value, "num_graphs")):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)) and depth < 3:
        for item in value:
            found = first_graph(item, depth + 1)
            if found is not None:
                return found
    return None


def graph_counts(graph: Any) -> list[int] | None:
    """Atoms of each crystal of a batched graph."""
    if hasattr(graph, "batch_num_nodes"):
        # a method in DGL; in alignn's DGL-free graphs a tensor, or None where the batch is one crystal
        counts = graph.batch_num_nodes() if callable(graph.batch_num_nodes) else graph.batch_num_nodes
        return [int(graph.num_nodes)] if counts is None else [int(n) for n in counts.tolist()]
    pointer = getattr(graph, "ptr", None)
    return None if pointer is None else [int(n) for n in (pointer[1:] - pointer[:-1]).tolist()]


def _as_list(values: Any) -> Any:
    if hasattr(values, "tolist"):
        return values.tolist()
    return values if isinstance(values, (list, tuple)) else list(values)


def _atoms(dataset: Any, position: int) -> Any:
    frame = getattr(dataset, "df", None)
    if frame is None or "atoms" not in getattr(frame, "columns", ()):
        return None
    return frame["atoms"].iloc[position]


def _structure(dataset: Any, position: int) -> Structure | None:
    if callable(getattr(dataset, "structure", None)):
        return dataset.structure(position)
    atoms = _atoms(dataset, position)
    if not isinstance(atoms, dict) or "lattice_mat" not in atoms:
        return None
    lattice = np.asarray(atoms["lattice_mat"], float)
    coords = np.asarray(atoms["coords"], float)
    if atoms.get("cartesian"):
        coords = coords @ np.linalg.inv(lattice)
    symbols = tuple(str(e).strip() for e in atoms["elements"])
    return Structure(tuple(map(tuple, lattice.tolist())), tuple(map(tuple, coords.tolist())), symbols)


def _elements(dataset: Any, position: int, structure: Structure | None) -> tuple[str, ...] | None:
    if callable(getattr(dataset, "elements", None)):
        return tuple(dataset.elements(position))
    if structure is not None:
        return structure.elements
    return None


def _check_counts(ids: Sequence[str], elements: Sequence[tuple[str, ...]], counts: list[int] | None) -> None:
    if counts is None:
        return
    if len(counts) != len(ids):
        raise IdentityError(f"the batch's graph holds {len(counts)} crystals, its positions name {len(ids)}.")
    for crystal, symbols, n in zip(ids, elements, counts):
        if len(symbols) != n:
            raise IdentityError(
                f"crystal {crystal!r} has {len(symbols)} atoms in the data set but {n} in the batch; the data set's "
                "order is not the loader's."
            )


def _targets(
    dataset: Any, positions: Sequence[int], batch: Any, ids: Sequence[str]
) -> tuple[float | None, ...] | None:
    stored = getattr(dataset, "labels", getattr(dataset, "targets", None))
    known = None
    if stored is not None and not callable(stored):
        values = _as_list(stored)
        known = [_number(values[p]) for p in positions]
    in_batch = None
    for tensor in tensors_in(batch):
        if tensor.is_floating_point() and tensor.numel() == len(positions) and tensor.ndim <= 2:
            in_batch = [float(x) for x in tensor.flatten().tolist()]
    if known is not None and in_batch is not None:
        for crystal, a, b in zip(ids, known, in_batch):
            if a is not None and not np.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True):
                raise IdentityError(
                    f"crystal {crystal!r} has target {a:g} in the data set but {b:g} in the batch; the data set's order "
                    "is not the loader's."
                )
    chosen = known if known is not None else in_batch
    return None if chosen is None else tuple(chosen)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _tokens(
    dataset: Any, positions: Sequence[int], inputs: BatchInputs, ids: Sequence[str]
) -> tuple[TokenLabels, ...] | None:
    if callable(getattr(dataset, "token_labels", None)):
        return tuple(dataset.token_labels(p) for p in positions)
    calls = [c for c in inputs.tokenizer_calls if len(c.texts) == len(positions)]
    if not calls:
        return None
    _check_texts(dataset, positions, inputs.batch, ids)
    return labels_of(calls[-1])


def _check_texts(dataset: Any, positions: Sequence[int], batch: Any, ids: Sequence[str]) -> None:
    """The batch's texts are the data set's at those positions (a host may normalise them after this)."""
    stored, given = getattr(dataset, "text", None), texts_in(batch)
    if stored is None or given is None or callable(stored):
        return
    values = _as_list(stored)
    for crystal, p, text in zip(ids, positions, given):
        if str(values[p]) != text:
            raise IdentityError(
                f"the batch's text for crystal {crystal!r} begins {text[:40]!r}, the data set's {str(values[p])[:40]!r}; "
                "the data set's order is not the loader's."
            )
