"""A crystal structure in plain words, from ``jarvis.core.atoms.Atoms.describe()`` and its neighbours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jarvis.core.atoms import Atoms

#: Neighbours up to this many times an atom's shortest contact count as bonded.
BOND_RATIO = 1.2
_CUTOFF = 6.0
_MAX_PAIRS = 4
_NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
#: Ideal polyhedra: coordination number -> name -> sorted angles at the centre, in degrees.
_POLYHEDRA: dict[int, dict[str, list[float]]] = {
    2: {"linear": [180.0], "bent": [105.0]},
    3: {"trigonal planar": [120.0] * 3, "trigonal pyramidal": [100.0] * 3},
    4: {"tetrahedral": [109.47] * 6, "square planar": [90.0] * 4 + [180.0] * 2},
    6: {"octahedral": [90.0] * 12 + [180.0] * 3, "trigonal prismatic": [81.8] * 9 + [135.6] * 6},
    8: {"body-centred cubic": [70.53] * 12 + [109.47] * 12 + [180.0] * 4},
    12: {"cuboctahedral": [60.0] * 24 + [90.0] * 12 + [120.0] * 24 + [180.0] * 6},
}
_ANGLE_TOLERANCE = 12.0


def describe_crystal(atoms: Atoms, *, name: str = "") -> str:
    """A description of 60 to 200 words: symmetry, coordination, distances, cell.

    Args:
        atoms: The structure; distances in angstrom.
        name: Mineral or common name, if there is one.

    Source:
        Numbers and symbols are those of ``jarvis.core.atoms.Atoms.describe``.
    """
    facts = atoms.describe()
    chemistry, geometry = facts["chemical_info"], facts["structure_info"]
    formula = chemistry["atomic_formula"]
    called = f", known as {name}," if name else ""
    sentences = [
        f"{formula}{called} crystallizes in the {geometry['crystal_system']} {geometry['spg_symbol']} space "
        f"group (number {geometry['spg_number']}) with point group {geometry['point_group']}.",
        _cell_size(geometry),
        *_coordination(atoms),
        _distances(geometry["bond_distances"]),
        f"The lattice lengths are {geometry['lattice_parameters']} Å and the lattice angles are "
        f"{geometry['lattice_angles']} degrees.",
    ]
    species = list(dict.fromkeys(atoms.elements))
    values = [v.strip() for v in chemistry["atomic_X"].split(",")]
    pairs = [f"{e} {v}" for e, v in zip(atoms.uniq_species, values)]
    if species:
        sentences.append(f"The electronegativity is {', '.join(pairs)}.")
    return " ".join(s for s in sentences if s)


def _cell_size(geometry: dict[str, Any]) -> str:
    count = geometry["natoms_primitive"]
    return f"The primitive cell holds {count} atom{'s' if count != 1 else ''}."


def _distances(bonds: dict[str, str]) -> str:
    ordered = sorted(bonds.items(), key=lambda item: float(item[1].split(",")[0]))[:_MAX_PAIRS]
    if not ordered:
        return ""
    return "The shortest distances are " + "; ".join(f"{pair} {values} Å" for pair, values in ordered) + "."


def _coordination(atoms: Atoms) -> list[str]:
    """One sentence an element: how many neighbours of which kind, in which arrangement."""
    elements = list(atoms.elements)
    shells = [_shell(atoms, i) for i in range(len(elements))]
    sentences = []
    for element in dict.fromkeys(elements):
        sites = [shell for e, shell in zip(elements, shells) if e == element]
        numbers = sorted({len(s[0]) for s in sites})
        shell = max(sites, key=lambda s: sum(len(s[0]) == len(t[0]) for t in sites))
        kinds = Counter(elements[j] for j in shell[0])
        neighbours = " and ".join(f"{_word(n)} {e}" for e, n in sorted(kinds.items()))
        shape = _shape(shell[1])
        arrangement = (
            f" in {_article(shape)} {shape} arrangement"
            if shape
            else f" in {len(shell[0])}-fold coordination"
        )
        others = [n for n in numbers if n != len(shell[0])]
        rest = f"; other {element} sites have coordination {', '.join(map(str, others))}" if others else ""
        plural = "atoms" if len(shell[0]) != 1 else "atom"
        sentences.append(f"{element} is bonded to {neighbours} {plural}{arrangement}{rest}.")
    return sentences


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _word(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _shell(atoms: Atoms, site: int) -> tuple[list[int], np.ndarray]:
    """Indices of the bonded neighbours of ``site`` and the (n, 3) vectors to them, in angstrom."""
    lattice = np.asarray(atoms.lattice_mat, float)
    coords = np.asarray(atoms.frac_coords, float)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = [int(np.ceil(_CUTOFF / h)) for h in heights]
    images = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1).reshape(-1, 3)
    delta = coords[:, None, :] - coords[site] + images[None]
    vectors = delta @ lattice
    lengths = np.linalg.norm(vectors, axis=-1)
    lengths[lengths < 1e-3] = np.inf
    near = np.argwhere(lengths <= lengths.min() * BOND_RATIO)
    return [int(i) for i, _ in near], vectors[near[:, 0], near[:, 1]]


def _shape(vectors: np.ndarray) -> str:
    names = _POLYHEDRA.get(len(vectors), {})
    if not names:
        return ""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    upper = np.triu_indices(len(unit), 1)
    angles = np.sort(np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))[upper])
    spread = {name: float(np.abs(angles - np.sort(ideal)).mean()) for name, ideal in names.items()}
    best = min(spread, key=lambda name: spread[name])
    return best if spread[best] <= _ANGLE_TOLERANCE else ""
