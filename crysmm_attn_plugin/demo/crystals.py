"""Crystals with a description and a target: the shipped ones, and any folder of CIF files.

The folder layout is the one ALIGNN's multimodal descendants read::

    <root>/<dataset>/<property>/description.csv    id, composition, target, description, file name
    <root>/<dataset>/<property>/cif/<id>.cif
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Structure
from crysmm_attn_plugin.text.elements import reduced_formula

if TYPE_CHECKING:
    from jarvis.core.atoms import Atoms

DATA_FILE = "crystals.json.gz"
#: Columns of ``description.csv``, in the order the hosts read them.
CSV_COLUMNS = ("id", "composition", "target", "description", "file name")
#: Name of the shipped target as a property folder.
DEMO_PROPERTY = "powder_lines"
#: Its unit: one more octave is twice as many lines.
DEMO_UNIT = "octaves"


@dataclass(frozen=True)
class Crystal:
    """One crystal of a data set.

    Attributes:
        id: Stable, readable, safe as a file name.
        structure: Lattice in angstrom, fractional coordinates, element symbols.
        text: Plain-language description.
        target: Value to predict, in the data set's unit.
    """

    id: str
    structure: Structure
    text: str
    target: float

    @property
    def formula(self) -> str:
        """Reduced formula in Hill order."""
        return reduced_formula(self.structure.elements)

    @property
    def elements(self) -> tuple[str, ...]:
        """Element symbols in node order."""
        return self.structure.elements

    def atoms(self) -> Atoms:
        """The structure as a ``jarvis.core.atoms.Atoms``."""
        from jarvis.core.atoms import Atoms

        return Atoms(
            lattice_mat=[list(v) for v in self.structure.lattice],
            coords=[list(c) for c in self.structure.frac_coords],
            elements=list(self.structure.elements),
            cartesian=False,
        )


@dataclass(frozen=True)
class CrystalSet:
    """Crystals with what is known about them as a set.

    Attributes:
        crystals: In file order.
        property: Name of the target.
        unit: Its unit.
        source: Where structures, texts and targets come from, with licences.
    """

    crystals: tuple[Crystal, ...]
    property: str
    unit: str = ""
    source: str = ""

    def __len__(self) -> int:
        return len(self.crystals)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    raw = resources.files("crysmm_attn_plugin.demo").joinpath(DATA_FILE).read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(raw))
    return found


def load_demo_crystals() -> CrystalSet:
    """The crystals that ship with the package; see docs/demo.md for where they come from."""
    shipped = _shipped()
    crystals = tuple(
        Crystal(
            id=record["id"],
            structure=Structure(
                _triples(record["lattice"]),
                _triples(record["frac_coords"]),
                tuple(record["elements"]),
            ),
            text=record["text"],
            target=float(record["target"]),
        )
        for record in shipped["crystals"]
    )
    return CrystalSet(crystals, shipped["property"], shipped["unit"], shipped["notice"])


def read_folder(root: str | os.PathLike[str], *, dataset: str = "jarvis", property: str) -> CrystalSet:
    """Crystals of a CIF folder with its ``description.csv``; cells are taken as they are written.

    Args:
        root: Folder that holds ``<dataset>/<property>/``, or that folder itself.
        dataset: First folder level.
        property: Second folder level; names the target.

    Raises:
        UsageError: When the table or a CIF file is missing or cannot be read; the message names the row.
    """
    from jarvis.core.atoms import Atoms

    folder = Path(root) / dataset / property
    if not folder.is_dir() and (Path(root) / "description.csv").is_file():
        folder = Path(root)
    table = folder / "description.csv"
    if not table.is_file():
        raise UsageError(
            f"no description.csv in {folder}; expected <root>/{dataset}/{property}/description.csv beside a "
            "folder cif/. Check --root-dir, --dataset and --property."
        )
    crystals = []
    with table.open(newline="", encoding="utf-8-sig") as handle:
        rows = csv.reader(handle)
        next(rows, None)
        for number, row in enumerate(rows, start=2):
            if not row:
                continue
            if len(row) < 4:
                raise UsageError(
                    f"{table}, line {number}: expected the columns {', '.join(CSV_COLUMNS)}; "
                    f"found {len(row)} values."
                )
            crystal_id, target, text = row[0], row[2], row[3]
            path = folder / "cif" / f"{crystal_id}.cif"
            if not path.is_file():
                raise UsageError(f"{table}, line {number}: crystal {crystal_id!r} has no file {path}.")
            try:
                atoms = Atoms.from_cif(str(path), use_cif2cell=False, get_primitive_atoms=False)
                value = float(target)
            except (ValueError, IndexError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{table}, line {number}: crystal {crystal_id!r} cannot be read ({error})."
                ) from error
            crystals.append(Crystal(crystal_id, structure_of(atoms), text, value))
    if not crystals:
        raise UsageError(f"{table} lists no crystals.")
    return CrystalSet(tuple(crystals), property, "", f"read from {folder}")


def write_folder(
    crystals: Sequence[Crystal],
    root: str | os.PathLike[str],
    *,
    dataset: str = "jarvis",
    property: str = DEMO_PROPERTY,
) -> Path:
    """Write crystals in the layout of ``read_folder``.

    Returns:
        The folder that holds ``description.csv``.
    """
    folder = Path(root) / dataset / property
    (folder / "cif").mkdir(parents=True, exist_ok=True)
    with (folder / "description.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(CSV_COLUMNS)
        for crystal in crystals:
            name = f"{crystal.id}.cif"
            table.writerow([crystal.id, crystal.formula, repr(crystal.target), crystal.text, name])
            (folder / "cif" / name).write_text(to_cif(crystal), encoding="ascii")
    return folder


def to_cif(crystal: Crystal) -> str:
    """The crystal as a P 1 CIF: every atom listed, in node order, so that reading it back keeps the order."""
    from jarvis.core.lattice import Lattice

    a, b, c, alpha, beta, gamma = Lattice([list(v) for v in crystal.structure.lattice]).parameters
    lines = [
        f"data_{crystal.id}",
        f"_chemical_formula_sum  {crystal.formula}",
        "_symmetry_space_group_name_H-M  'P 1'",
        "_symmetry_Int_Tables_number  1",
        f"_cell_length_a  {a:.8f}",
        f"_cell_length_b  {b:.8f}",
        f"_cell_length_c  {c:.8f}",
        f"_cell_angle_alpha  {alpha:.8f}",
        f"_cell_angle_beta  {beta:.8f}",
        f"_cell_angle_gamma  {gamma:.8f}",
        "loop_",
        " _symmetry_equiv_pos_site_id",
        " _symmetry_equiv_pos_as_xyz",
        " 1  'x, y, z'",
        "loop_",
        " _atom_site_type_symbol",
        " _atom_site_label",
        " _atom_site_symmetry_multiplicity",
        " _atom_site_fract_x",
        " _atom_site_fract_y",
        " _atom_site_fract_z",
        " _atom_site_occupancy",
    ]
    seen: dict[str, int] = {}
    for element, (x, y, z) in zip(crystal.elements, crystal.structure.frac_coords):
        seen[element] = seen.get(element, 0) + 1
        lines.append(f" {element}  {element}{seen[element]}  1  {x:.8f}  {y:.8f}  {z:.8f}  1")
    return "\n".join(lines) + "\n"


def structure_of(atoms: Atoms) -> Structure:
    """A ``jarvis`` structure as our record, coordinates wrapped into [0, 1)."""
    coords = np.round(np.asarray(atoms.frac_coords, float), 8) % 1.0
    lattice = np.asarray(atoms.lattice_mat, float)
    return Structure(_triples(lattice), _triples(coords), tuple(str(e) for e in atoms.elements))


def _triples(rows: Iterable[Iterable[float]]) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in rows)
