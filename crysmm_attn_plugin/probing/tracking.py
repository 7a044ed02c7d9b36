"""Does the attention track structure? Maps of one crystal told apart under what should change nothing. Torch-free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.explanation import Explanation
from crysmm_attn_plugin.records import Structure

#: Total variation up to which two rows are called alike.
TOLERANCE = 0.01
#: Reads a structure with a description: what ``one_crystal.read`` gives for it.
Reads = Callable[[Structure, str], Explanation]


@dataclass(frozen=True)
class Agreement:
    """How alike maps are that should be.

    Attributes:
        what: Which change should have changed nothing.
        distance: Mean total variation between the compared rows: 0 the same, 1 nothing in common; NaN where there is nothing
            to compare.
        worst: The largest of them.
        n: Rows compared.
        tolerance: Up to which ``alike`` is true.
    """

    what: str
    distance: float
    worst: float
    n: int
    tolerance: float = TOLERANCE

    @property
    def alike(self) -> bool:
        """Whether every row agrees within the tolerance; False where there was nothing to compare."""
        return self.n > 0 and self.worst <= self.tolerance


def equivalent_sites(structure: Structure, symprec: float = 0.01) -> np.ndarray:
    """(atoms,) index of each atom's orbit under the crystal's space group.

    Args:
        structure: The cell.
        symprec: Distance within which atoms coincide, angstrom.

    Raises:
        ValueError: When no symmetry can be found.

    Source: spglib (Togo et al. 2024).
    """
    import spglib

    kinds = {e: i for i, e in enumerate(dict.fromkeys(structure.elements))}
    numbers = [kinds[e] for e in structure.elements]
    cell = ([list(v) for v in structure.lattice], [list(c) for c in structure.frac_coords], numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    if found is None:
        raise ValueError("no space group was found for the cell")
    return np.asarray(
        found.equivalent_atoms if hasattr(found, "equivalent_atoms") else found["equivalent_atoms"]
    )


def supercell(structure: Structure, times: tuple[int, int, int] = (2, 1, 1)) -> tuple[Structure, np.ndarray]:
    """A cell repeated along its vectors, and for each of its atoms the atom that it is an image of."""
    n = np.array(times)
    shifts = np.array(np.meshgrid(*(range(k) for k in times), indexing="ij")).reshape(3, -1).T
    coords = np.array(structure.frac_coords)
    moved = ((coords[None] + shifts[:, None]) / n).reshape(-1, 3)
    lattice = np.array(structure.lattice) * n[:, None]
    elements = tuple(structure.elements) * len(shifts)
    parents = np.tile(np.arange(len(coords)), len(shifts))
    return Structure(_triples(lattice), _triples(moved), elements), parents


def sites_agree(e: Explanation, orbits: np.ndarray, tolerance: float = TOLERANCE) -> Agreement:
    """Rows of symmetry-equivalent atoms against each other, heads apart."""
    found = [
        _tv(w[a], w[b])
        for w in _heads(e)
        for orbit in np.unique(orbits)
        for members in [np.flatnonzero(orbits == orbit)]
        for i, a in enumerate(members)
        for b in members[i + 1 :]
    ]
    return _agreement("equivalent sites", found, tolerance)


def supercells_agree(
    small: Explanation, big: Explanation, parents: np.ndarray, tolerance: float = TOLERANCE
) -> Agreement:
    """Rows of a supercell's atoms against those of the atoms they are images of; both cells read the same words."""
    if small.words != big.words:
        return _agreement("supercell", [], tolerance)
    found = [_tv(v[i], w[p]) for w, v in zip(_heads(small), _heads(big)) for i, p in enumerate(parents)]
    return _agreement("supercell", found, tolerance)


def texts_agree(a: Explanation, b: Explanation, what: str, tolerance: float = TOLERANCE) -> Agreement:
    """Atoms' rows over the words that two descriptions share: each word by its spelling, all its occurrences together.

    Special tokens, and words that one of them lacks, stand for themselves, so that mass on them counts as different.
    """
    names = sorted({*a.words, *b.words})
    found = [
        _tv(x, y)
        for w, v in zip(_heads(a), _heads(b))
        for x, y in zip(_by_word(w, a.words, names), _by_word(v, b.words, names))
    ]
    return _agreement(what, found, tolerance)


def track(
    read: Reads, structure: Structure, text: str, *, filler: tuple[str, str] = (" the ", " a "), seed: int = 0
) -> tuple[Agreement, ...]:
    """Everything that should change nothing, for one crystal.

    Args:
        read: Reads a structure with a description.
        structure: The cell.
        text: Its description.
        filler: A token that means nothing, and what is put in its first place.
        seed: Of the order of shuffled sentences.
    """
    own = read(structure, text)
    big, parents = supercell(structure)
    found = [
        sites_agree(own, equivalent_sites(structure)),
        supercells_agree(own, read(big, text), parents),
        texts_agree(own, read(structure, shuffled(text, seed)), "shuffled sentences"),
    ]
    if filler[0] in text:
        other = text.replace(*filler, 1)
        found.append(texts_agree(own, read(structure, other), "a token that means nothing"))
    return tuple(found)


def shuffled(text: str, seed: int = 0) -> str:
    """The sentences of a description in another order."""
    sentences = [s.strip().rstrip(".") for s in text.split(". ") if s.strip()]
    order = np.random.default_rng(seed).permutation(len(sentences))
    return ". ".join(sentences[i] for i in order) + "."


def _heads(e: Explanation) -> list[np.ndarray]:
    return [w for m in e.maps if m.direction == "atom_to_text" for w in m.weights]


def _by_word(weights: np.ndarray, words: Sequence[str], names: Sequence[str]) -> np.ndarray:
    places: dict[str, list[int]] = defaultdict(list)
    for i, word in enumerate(words):
        places[word].append(i)
    return np.stack([weights[:, places[n]].sum(1) for n in names], 1)


def _tv(a: np.ndarray, b: np.ndarray) -> float:
    return float(0.5 * np.abs(a - b).sum())


def _agreement(what: str, found: Sequence[float], tolerance: float) -> Agreement:
    if not found:
        return Agreement(what, float("nan"), float("nan"), 0, tolerance)
    return Agreement(what, float(np.mean(found)), float(np.max(found)), len(found), tolerance)


def _triples(rows: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in rows)
