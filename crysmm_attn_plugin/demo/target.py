"""The demo's target, computed from the structures that ship: ``python -m crysmm_attn_plugin.demo.target``.

Run as a script it computes the target of every shipped crystal anew and writes it into ``crystals.json.gz``; structures
and texts stay as they are.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jarvis.core.atoms import Atoms

#: Positions that differ by less than this, in angstrom, are equivalent.
SYMMETRY_TOLERANCE = 0.01
#: What ``crystals.json.gz`` says about its target.
TARGET_NOTICE = (
    "Target: structural complexity, Shannon information of the primitive cell's atoms over their crystallographic "
    "orbits, in bits per cell (S. V. Krivovichev, Acta Cryst. A 68, 393-398 (2012), "
    "doi:10.1107/S0108767312012044), orbits by spglib."
)


def structural_complexity(atoms: Atoms) -> float:
    """Shannon information of a primitive cell: how much one must be told to know which atom is which, in bits.

    With ``v`` atoms, of which ``m_i`` lie on orbit ``i`` of the space group, ``-v sum (m_i / v) log2(m_i / v)``.
    Zero where all atoms are equivalent.

    Args:
        atoms: The structure; a larger cell than the primitive one gives the primitive one's value.

    Raises:
        ValueError: When spglib finds no symmetry, which happens where two atoms coincide.

    Source:
        S. V. Krivovichev, Acta Cryst. A 68, 393-398 (2012), equation 6.
    """
    import spglib
    from ase.data import atomic_numbers

    cell = (
        np.asarray(atoms.lattice_mat, float),
        np.asarray(atoms.frac_coords, float),
        [atomic_numbers[e] for e in atoms.elements],
    )
    found = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_TOLERANCE)
    if found is None:
        raise ValueError(f"no symmetry found for {atoms.composition.reduced_formula}")
    copies = len(found.mapping_to_primitive) / (1 + max(found.mapping_to_primitive))
    sizes = np.array(list(Counter(found.crystallographic_orbits.tolist()).values()), float)
    shares = sizes / sizes.sum()
    return float(abs((sizes * np.log2(shares)).sum()) / copies)


def main() -> int:
    """Write the targets into the shipped file."""
    from crysmm_attn_plugin.demo.crystals import DATA_FILE, DEMO_PROPERTY, DEMO_UNIT, load_demo_crystals

    path = Path(__file__).with_name(DATA_FILE)
    record: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    for entry, crystal in zip(record["crystals"], load_demo_crystals().crystals, strict=True):
        entry["target"] = round(structural_complexity(crystal.atoms()), 3)
    sources = record["notice"].split("\nTarget:")[0].split("\nRadii:")[0]
    wording = "Descriptions:" + record["notice"].split("\nDescriptions:")[1].split("\nTarget:")[0]
    notice = "\n".join([sources, wording, TARGET_NOTICE])
    record |= {"property": DEMO_PROPERTY, "unit": DEMO_UNIT, "notice": notice}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(record['crystals'])} targets written to {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
