"""The demo's target, computed from the structures that ship: ``python -m crysmm_attn_plugin.demo.target``.

Run as a script it computes the target of every shipped crystal anew and writes it into ``crystals.json.gz``; structures
and texts stay as they are.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from crysmm_attn_plugin.demo.crystals import DATA_FILE, DEMO_PROPERTY, DEMO_UNIT, load_demo_crystals
from crysmm_attn_plugin.records import Structure

#: Cu K alpha 1, in angstrom.
WAVELENGTH = 1.5406
#: Lines up to this scattering angle 2 theta are counted, in degrees.
LARGEST_ANGLE = 90.0
#: Lines nearer than this, in degrees of 2 theta, are one.
RESOLUTION = 0.01
#: A reflection below this share of the forward scattering is extinct.
WEAKEST = 0.01
#: What ``crystals.json.gz`` says about its target.
TARGET_NOTICE = (
    "Target: binary logarithm of the number of lines in the powder diffraction pattern (Cu K alpha 1, 2 theta up to 90 degrees, "
    "atoms as points of their atomic number), computed from the structure."
)


def powder_lines(structure: Structure) -> int:
    """Number of lines in the powder diffraction pattern: distinct Bragg angles of reflections that are not extinct.

    Small and highly symmetric cells have few, large ones of low symmetry many. Atoms scatter as points with the strength of
    their atomic number, at rest.

    Args:
        structure: The cell; a larger one of the same crystal gives the same number.

    Raises:
        ValueError: When the cell is so small that it has no line.

    Source:
        Bragg's law, and the structure factor (International Tables for Crystallography B, 1.2.2).
    """
    from ase.data import atomic_numbers

    lattice = np.asarray(structure.lattice, float)
    reciprocal = np.linalg.inv(lattice).T
    reach = 2 * np.sin(np.radians(LARGEST_ANGLE / 2)) / WAVELENGTH
    steps = [np.arange(-n, n + 1) for n in np.floor(reach * np.linalg.norm(lattice, axis=1)).astype(int)]
    indices = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    indices = indices[
        len(indices) // 2 + 1 :
    ]  # the other half has the same angles, and 0 0 0 is no reflection
    length = np.linalg.norm(indices @ reciprocal, axis=1)
    indices, length = indices[length <= reach], length[length <= reach]
    strength = np.array([atomic_numbers[e] for e in structure.elements], float)
    waves = np.exp(2j * np.pi * indices @ np.asarray(structure.frac_coords, float).T)
    seen = np.abs(waves @ strength) >= WEAKEST * strength.sum()
    angles = np.sort(2 * np.degrees(np.arcsin(length[seen] * WAVELENGTH / 2)))
    if not len(angles):
        raise ValueError(f"no powder line up to {LARGEST_ANGLE:g} degrees")
    return int(1 + (np.diff(angles) > RESOLUTION).sum())


def target_of(structure: Structure) -> float:
    """``log2(powder_lines)``, in octaves: one more where there are twice as many lines."""
    return float(np.log2(powder_lines(structure)))


def main() -> int:
    """Write the targets into the shipped file."""
    path = Path(__file__).with_name(DATA_FILE)
    record: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    for entry, crystal in zip(record["crystals"], load_demo_crystals().crystals, strict=True):
        entry["target"] = round(target_of(crystal.structure), 3)
    sources = record["notice"].split("\nTarget:")[0].split("\nRadii:")[0]
    wording = "Descriptions:" + record["notice"].split("\nDescriptions:")[1].split("\nTarget:")[0]
    record |= {
        "property": DEMO_PROPERTY,
        "unit": DEMO_UNIT,
        "notice": "\n".join([sources, wording, TARGET_NOTICE]),
    }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(record['crystals'])} targets written to {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
