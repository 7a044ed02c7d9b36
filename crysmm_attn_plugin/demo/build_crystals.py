"""Make ``crystals.json.gz``: run once, by hand, when the source or the wording changes.

    python -m crysmm_attn_plugin.demo.build_crystals --prototypes pymatgen-<version>.whl

Two sources, both of measured crystals:

* the AFLOW library of crystallographic prototypes as pymatgen (MIT licence) ships it: 288 structures, each
  refined in a paper of its own that the source cites;
* the elements of ``ase.data.reference_states`` (ASE, LGPL 2.1 or later): lattice constants of the elements
  in their standard state. Only these numbers are used.

Kept are ordered cells of at most 40 atoms whose elements all have a covalent radius. Of two entries with the
same atoms the first stays if they share the space group and the volume to 2 %, or the volume to 0.01 % (one
refinement told in a lower symmetry).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jarvis.analysis.structure.spacegroup import Spacegroup3D
from jarvis.core.atoms import Atoms

from crysmm_attn_plugin.demo.crystals import DATA_FILE, DEMO_PROPERTY, DEMO_UNIT, structure_of
from crysmm_attn_plugin.demo.target import TARGET_NOTICE, target_of
from crysmm_attn_plugin.demo.wording import describe_crystal

MAX_ATOMS = 40
MEMBER = "pymatgen/analysis/prototypes/aflow_prototypes.json.gz"
NOTICE = """\
Structures: (1) AFLOW Library of Crystallographic Prototypes, as shipped with pymatgen {pymatgen} (MIT
licence, Copyright 2011-2012 MIT and The Regents of the University of California, through Lawrence Berkeley
National Laboratory). Please cite M. J. Mehl et al., Comput. Mater. Sci. 136, S1-S828 (2017),
doi:10.1016/j.commatsci.2017.01.017; each entry names its own reference. (2) Lattice constants of the elements
from ase.data.reference_states, ASE {ase} (LGPL-2.1-or-later).
Descriptions: wording of this project over jarvis.core.atoms.Atoms.describe, jarvis-tools {jarvis}.
{target}"""


def main(argv: list[str] | None = None) -> int:
    """Build the file; prints what was kept and what was left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prototypes", required=True, help="pymatgen wheel, or its aflow_prototypes.json.gz")
    parser.add_argument("--out", default=str(Path(__file__).with_name(DATA_FILE)))
    args = parser.parse_args(argv)
    kept: list[dict[str, Any]] = []
    seen: list[tuple[Any, int, float]] = []
    left_out: Counter[str] = Counter()
    ids: set[str] = set()
    for entry in [*_prototypes(Path(args.prototypes)), *_elements()]:
        atoms: Atoms = entry["atoms"]
        reason = _unfit(atoms)
        if not reason:
            spg = _space_group(atoms)
            content = tuple(sorted(Counter(atoms.elements).items()))
            volume = float(atoms.volume)
            if any(_same(content, spg, volume, *other) for other in seen):
                reason = "duplicate"
        if reason:
            left_out[reason] += 1
            continue
        seen.append((content, spg, volume))
        crystal_id = _unique(
            f"{atoms.composition.reduced_formula}_{_slug(entry['name'] or entry['code'])}", ids
        )
        atoms = _rounded(atoms)  # text and target are those of the structure as it is stored
        structure = structure_of(atoms)
        kept.append(
            {
                "id": crystal_id,
                "elements": structure.elements,
                "lattice": structure.lattice,
                "frac_coords": structure.frac_coords,
                "text": describe_crystal(atoms, name=entry["name"]),
                "target": round(target_of(structure), 3),
                "source": entry["source"],
                "reference": entry["reference"],
            }
        )
        print(f"{len(kept):4d} {crystal_id}", file=sys.stderr)
    record = {
        "property": DEMO_PROPERTY,
        "unit": DEMO_UNIT,
        "notice": NOTICE.format(
            target=TARGET_NOTICE,
            pymatgen=_version_of(Path(args.prototypes)),
            ase=metadata.version("ase"),
            jarvis=metadata.version("jarvis-tools"),
        ),
        "crystals": kept,
    }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    Path(args.out).write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(kept)} crystals, {Path(args.out).stat().st_size / 1e3:.0f} kB; left out: {dict(left_out)}")
    return 0


def _prototypes(path: Path) -> Iterator[dict[str, Any]]:
    raw = zipfile.ZipFile(path).read(MEMBER) if path.suffix == ".whl" else path.read_bytes()
    for entry in json.loads(gzip.decompress(raw)):
        record, tags = entry["snl"], entry["tags"]
        atoms = Atoms(
            lattice_mat=record["lattice"]["matrix"],
            coords=[site["abc"] for site in record["sites"]],
            elements=[site["species"][0]["element"] for site in record["sites"]],
            cartesian=False,
        )
        if (
            any(len(site["species"]) > 1 for site in record["sites"])
            or "theoretical" in tags["mineral"].lower()
        ):
            continue
        yield {
            "atoms": atoms,
            "name": _plain_name(tags["mineral"]),
            "code": tags["pearson"],
            "source": f"AFLOW prototype {tags['aflow']}",
            "reference": _reference(record["about"]["references"]),
        }


def _elements() -> Iterator[dict[str, Any]]:
    from ase.build import bulk
    from ase.data import chemical_symbols, reference_states

    for number, state in enumerate(reference_states):
        if not state or state["symmetry"] not in {"fcc", "bcc", "hcp", "diamond"}:
            continue
        if chemical_symbols[number] in {"Se", "Te"}:  # chains: the table gives their cell without a basis
            continue
        cell = bulk(chemical_symbols[number])
        atoms = Atoms(
            lattice_mat=cell.cell.array.tolist(),
            coords=cell.get_scaled_positions().tolist(),
            elements=cell.get_chemical_symbols(),
            cartesian=False,
        )
        yield {
            "atoms": atoms,
            "name": "",
            "code": state["symmetry"],
            "source": "ase.data.reference_states",
            "reference": "ASE",
        }


def _unfit(atoms: Atoms) -> str:
    from ase.data import atomic_numbers, covalent_radii

    if atoms.num_atoms > MAX_ATOMS:
        return f"more than {MAX_ATOMS} atoms"
    if any(atomic_numbers[e] >= 97 or covalent_radii[atomic_numbers[e]] < 0.25 for e in atoms.elements):
        return "no covalent radius"
    if {"Cr", "Fe", "Ni"} <= set(atoms.elements):
        return "ordered model of a steel, not a measured crystal"
    return ""


def _rounded(atoms: Atoms) -> Atoms:
    return Atoms(
        lattice_mat=np.round(atoms.lattice_mat, 6).tolist(),
        coords=np.round(np.asarray(atoms.frac_coords) % 1.0, 6).tolist(),
        elements=list(atoms.elements),
        cartesian=False,
    )


def _same(content: Any, spg: int, volume: float, content2: Any, spg2: int, volume2: float) -> bool:
    difference = abs(volume - volume2) / volume
    return content == content2 and (difference < 1e-4 or (spg == spg2 and difference < 0.02))


def _space_group(atoms: Atoms) -> int:
    return int(Spacegroup3D(atoms).space_group_number)


def _reference(bibtex: str) -> str:
    """``Authors, journal volume, pages (year)`` of the first entry of a BibTeX text."""
    first = bibtex.split("\n}\n")[0]
    field = {k: " ".join(v.split()) for k, v in re.findall(r'(\w+)\s*=\s*"(.*?)"(?:,|\n|$)', first, re.S)}
    journal = f"{field.get('journal', '')} {field.get('volume', '')}, {field.get('pages', '')}"
    return f"{field.get('author', '')}, {journal} ({field.get('year', '')})".strip(", ")


def _plain_name(mineral: str) -> str:
    """The source's mineral name without its remarks, or nothing where it is a formula or a fragment."""
    name = mineral.split(" (")[0].split(",")[0].strip()
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9 -]{3,}", name) and name != "alpha" else ""


def _slug(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    return text.lower() if len(text) > 5 else text  # Pearson symbols such as hP6 keep their case


def _unique(name: str, used: set[str]) -> str:
    candidate, number = name, 2
    while candidate.lower() in used:
        candidate, number = f"{name}-{number}", number + 1
    used.add(candidate.lower())
    return candidate


def _version_of(path: Path) -> str:
    match = re.match(r"pymatgen-([0-9.]+)-", path.name)
    return match.group(1) if match else metadata.version("pymatgen")


if __name__ == "__main__":
    raise SystemExit(main())
