"""Element symbols of the atoms in a graph batch: from atomic numbers, or from the features that ALIGNN's graphs carry.

The 92 CGCNN features do not tell every element apart: La and Ce share one row, and so do Sm and Gd, Ho and Er, Th and Np,
Am and Cm, and the elements from Bk on (measured with jarvis-tools 2026.6.12). Such an atom is named only when the
crystal's text or id names exactly one of the candidates; else it is ``X``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from crysmm_attn_plugin.hooks.reading.batch import NODE_ELEMENTS
from crysmm_attn_plugin.text.elements import ELEMENTS

#: Stands for an element that cannot be told.
UNKNOWN = "X"
_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d*)+")


def symbols(labels: Iterable[Any]) -> tuple[str, ...]:
    """Element symbols from whatever a host calls them: ``Na1+``, ``na``, ``Na3``, ``11`` are all ``Na``; else ``X``."""
    return tuple(_symbol(x) for x in labels)


def _symbol(label: Any) -> str:
    text = str(label).strip()
    if text.isdigit() and 1 <= int(text) <= len(ELEMENTS):
        return ELEMENTS[int(text) - 1]
    match = re.match(r"[A-Za-z]{1,2}(?![A-Za-z])", text)
    if match is None:
        return UNKNOWN
    found = match.group(0).capitalize()
    return "H" if found in ("D", "T") else found if found in ELEMENTS else UNKNOWN


def elements_from_graph(
    graph: Any, counts: Sequence[int] | None, ids: Sequence[str], texts: Sequence[str] | None
) -> tuple[tuple[str, ...], ...] | None:
    """Element symbols of each crystal of a batch, in node order.

    Args:
        graph: The batched graph, or None.
        counts: Atoms of each crystal.
        ids: Ids of the crystals.
        texts: Their descriptions, where the batch holds them.

    Returns:
        None when the graph does not say.
    """
    candidates = _candidates(graph) if graph is not None else None
    if counts is None or candidates is None:
        return None
    out, offset = [], 0
    for i, n in enumerate(counts):
        words = f"{ids[i] if i < len(ids) else ''} {texts[i] if texts and i < len(texts) else ''}"
        named = _named(words)
        out.append(tuple(_one(c, named) for c in candidates[offset : offset + n]))
        offset += n
    return tuple(out)


def _one(candidates: tuple[str, ...], named: frozenset[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    said = [c for c in candidates if c in named]
    return said[0] if len(said) == 1 else UNKNOWN


def _named(text: str) -> frozenset[str]:
    """Element symbols in the words of a text that read like formulas."""
    words = re.split(r"[^A-Za-z0-9]+", text)
    return frozenset(s for w in words if _FORMULA.fullmatch(w) for s in re.findall(r"[A-Z][a-z]?", w))


def _candidates(graph: Any) -> list[tuple[str, ...]] | None:
    """The elements each atom may be."""
    nodes = getattr(graph, "ndata", None)
    if nodes is None:
        return None
    for key in NODE_ELEMENTS[:-1]:
        if key in nodes:
            return [(ELEMENTS[int(z) - 1],) for z in nodes[key].flatten().tolist()]
    if "atom_features" in nodes and nodes["atom_features"].shape[-1] == 92:
        table = cgcnn_rows()
        return [table.get(tuple(row), ()) for row in nodes["atom_features"].int().tolist()]
    return None


@lru_cache(maxsize=1)
def cgcnn_rows() -> dict[tuple[int, ...], tuple[str, ...]]:
    """CGCNN feature row -> the elements that have it, from jarvis-tools, which the hosts themselves use."""
    from jarvis.core.specie import get_node_attributes

    rows: dict[tuple[int, ...], tuple[str, ...]] = {}
    for symbol in ELEMENTS:
        try:
            row = tuple(int(x) for x in get_node_attributes(symbol, atom_features="cgcnn"))
        except (KeyError, TypeError, ValueError):
            continue
        rows[row] = (*rows.get(row, ()), symbol)
    return rows
