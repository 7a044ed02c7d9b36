"""Which atoms of a crystal are equivalent by symmetry."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from crysmm_attn_plugin.records import Structure

#: Tolerance of positions in angstrom, as pymatgen and the Materials Project take it.
SYMPREC = 0.01
#: Distances to neighbours of each element that are compared before symmetry is looked for.
NEIGHBOURS = 32


@lru_cache(maxsize=4096)
def inequivalent_sites(structure: Structure) -> tuple[int, ...] | None:
    """Orbit of each atom under the space group, integers from zero.

    Symmetry is looked for (spglib) only where atoms of one element may have different surroundings: to find it takes many
    times as long as to see that.

    Args:
        structure: Lattice in angstrom, fractional coordinates, elements.

    Returns:
        (n_atoms,) site of each atom; None where spglib finds no symmetry, or is not installed.

    Source: Togo & Tanaka 2018 (spglib).
    """
    kinds = np.unique(structure.elements, return_inverse=True)[1]
    if _alike(structure, kinds):
        return tuple(kinds.tolist())
    try:
        import spglib
    except ModuleNotFoundError:
        return None
    try:
        found = spglib.get_symmetry_dataset(
            (structure.lattice, structure.frac_coords, (kinds + 1).tolist()), symprec=SYMPREC
        )
    except Exception:  # a class of its own in each version
        return None
    if found is None:
        return None
    return tuple(np.unique(found.equivalent_atoms, return_inverse=True)[1].tolist())


def _alike(structure: Structure, kinds: np.ndarray) -> bool:
    """Atoms of one element have the same distances to their nearest neighbours of every element."""
    n_kinds = int(kinds.max(initial=-1)) + 1
    if n_kinds == len(kinds):
        return True
    frac, lattice = np.array(structure.frac_coords), np.array(structure.lattice)
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = frac[None, :] - frac[:, None]
    apart -= np.round(apart)
    far = np.linalg.norm((apart[:, :, None] + steps) @ lattice, axis=-1)
    for of in range(n_kinds):
        near = np.sort(far[:, kinds == of].reshape(len(frac), -1), axis=1)[:, : NEIGHBOURS + 1]
        if any(np.ptp(near[kinds == k], axis=0).max() > SYMPREC for k in range(n_kinds)):
            return False
    return True
