"""What people wrote about crystals in CIF files: titles, notes and names, beside the elements of the formula.

Titles of papers, remarks on samples and measurements, mineral and systematic names are free text by many hands. Files with no
such text or no formula are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from crysmm_attn_plugin.text.elements import ELEMENTS, ISOTOPES

#: Items that hold words of people: titles and remarks, details of sample and refinement, names.
ITEMS = re.compile(
    r"_(?:publ_section_(?!references)\w+|publ_contact_letter|\w+_special_details|\w+_details|exptl_crystal_description"
    r"|exptl_crystal_colour|chemical_name_(?:mineral|common|systematic|structure_type))$",
    re.IGNORECASE,
)
FORMULA = ("_chemical_formula_sum", "_chemical_formula_moiety", "_chemical_formula_structural")
_SYMBOL = re.compile(r"[A-Z][a-z]?")


def cif_texts(folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    """(free text, elements) of every CIF below a folder that has both.

    Args:
        folder: Searched with its subfolders.
    """
    found = []
    for path in sorted(folder.rglob("*.cif")):
        items = dict(_items(path.read_text(encoding="utf-8", errors="replace")))
        told = next((items[name] for name in FORMULA if name in items), "")
        elements = tuple(dict.fromkeys(s for s in _SYMBOL.findall(told) if s in ELEMENTS or s in ISOTOPES))
        text = ". ".join(v for name, v in items.items() if ITEMS.match(name) and any(c.isalpha() for c in v))
        if text and elements:
            found.append((text, elements))
    return found


def _items(text: str) -> Iterator[tuple[str, str]]:
    """Single items (no loops) with their values, white space as single blanks."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("_"):
            continue
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        if not value:
            start = next(lines, "")
            if not start.startswith(";"):
                value = "" if start.startswith(("_", "loop_", "data_", "#")) else start.strip()
            else:
                parts = [start[1:]]
                for part in lines:
                    if part.startswith(";"):
                        break
                    parts.append(part)
                value = " ".join(parts)
        value = " ".join(value.split())
        if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
            value = value[1:-1]
        if value and value not in (".", "?"):
            yield name, value
