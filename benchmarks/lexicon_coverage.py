"""What the lexicon knows of real descriptions, and what it misses: ``python -m benchmarks.lexicon_coverage``.

Descriptions of the demo's crystals in three styles: ``Atoms.describe()`` of jarvis-tools, the demo's own sentences in the
manner of Robocrystallographer, and free text as people write it, English and Chinese, with what makes symbols ambiguous
(units, labels, prepositions, space groups). ``--cifs NAME=FOLDER`` adds what people wrote in CIF files (``benchmarks.cif_texts``),
``--texts NAME=FILE`` any others: a JSON list of ``{"text": ...,
"elements": [...]}``, for example what Robocrystallographer itself says of the same crystals.

Coverage is the share of words, punctuation left out, that get a class other than "other". A mention is false when it names an
element that the crystal does not hold (formulas of other compounds aside), and an element is missed when no word mentions it.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cif_texts import cif_texts
from crysmm_attn_plugin.text.classes import classify
from crysmm_attn_plugin.text.elements import NAMES
from crysmm_attn_plugin.text.segment import ELEMENT, words_in

Described = tuple[str, Sequence[str]]


@dataclass
class Coverage:
    """Counts over the descriptions of one style."""

    texts: int = 0
    words: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    mentions: int = 0
    false: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    elements: int = 0

    def add(self, text: str, elements: Sequence[str], *, tell: bool) -> None:
        """Read one description; ``tell``: whether the reader is told the crystal's elements."""
        found = words_in(text)
        classed = classify(found, frozenset(elements) if tell else frozenset())
        mentioned: set[str] = set()
        self.texts += 1
        for (_, _, form), word in zip(found, classed):
            if word.category != "punctuation":
                self.words += 1
                self.classes[word.category] += 1
            if word.category == "other":
                self.unknown[form.lower] += 1
            symbols = {s for _, _, s in word.spans}
            mentioned |= symbols
            if word.category == ELEMENT:
                self.mentions += 1
                if symbols - set(elements) and word.kind in ("symbol", "site", "bond"):
                    self.false[form.text] += 1
        self.elements += len(set(elements))
        self.missed.update(e for e in set(elements) if e not in mentioned)

    def lines(self, most: int) -> list[str]:
        """The figures, and the commonest misses."""
        known = 1 - self.classes["other"] / max(self.words, 1)
        shares = ", ".join(f"{n} {c / self.words:.3f}" for n, c in self.classes.most_common())
        return [
            f"{self.texts} descriptions, {self.words} words, {known:.1%} of them classed ({shares})",
            f"{self.mentions} mentions, {sum(self.false.values())} false: {_some(self.false, most)}",
            f"{self.elements} elements of crystals, {sum(self.missed.values())} missed: {_some(self.missed, most)}",
            f"words without a class: {_some(self.unknown, most)}",
        ]


def _some(counts: Counter[str], most: int) -> str:
    return ", ".join(f"{w} {n}" for w, n in counts.most_common(most)) or "none"


# -- the three styles ----------------------------------------------------------------------------------------


def jarvis(crystals: Iterable[Any]) -> list[Described]:
    """What ``Atoms.describe()`` says, its list of fields and its sentences by turns."""
    from jarvis.core.atoms import Atoms

    described = []
    for i, crystal in enumerate(crystals):
        s = crystal.structure
        atoms = Atoms(
            lattice_mat=[list(v) for v in s.lattice],
            coords=[list(v) for v in s.frac_coords],
            elements=list(s.elements),
        )
        described.append((atoms.describe()[f"desc_{1 + i % 2}"], s.elements))
    return described


def sentences(crystals: Iterable[Any]) -> list[Described]:
    """The demo's own descriptions."""
    return [(c.text, c.structure.elements) for c in crystals]


#: {a}, {b}: symbols of the crystal; {A}: a name; {f}: its formula; {zh}: a Chinese name.
_FREE: tuple[str, ...] = (
    "In this work we report {f} (C2/m, No. 12). As expected, {a} sits between layers; at 300 K the gap is 1.2 eV. "
    "He et al. found a type I phase, No other phase was seen.",
    "We study {f}, an {A}-rich compound. I measured V = 120.5 Å3 and a bulk modulus B of 80 GPa. In {f} the {a}–{b} bond is "
    "2.41 Å long and P-1 was ruled out. Be aware that the A site may be vacant.",
    "{f} powder (Alfa, 99.9 %) was heated to 1200 K in air. The pattern fits P2_1/c or C2/c; {A} vacancies raise n to 1e19. "
    "At low temperature, the {a} sublattice orders (phase II).",
    "The title compound, {f}, adopts Fm̅3m at ambient pressure and I4/mmm above 5 GPa. All {a} atoms are 6-coordinate. "
    "As a 3D network it differs from 2D sheets; U = 4 eV was applied to {b}.",
    "Single crystals of {f} grow in space group P6₃/mmc. Each {a} has six neighbours: {a}-{b} 2.3(1) Å. No twinning. "
    "Sample W was measured at 2.5 V, sample Y at 4 K.",
    "{f} 属于立方晶系,空间群为 Fm-3m(225号)。每个{zh}原子与六个原子配位,形成八面体,键长为 2.35 埃。",
    "该材料 {f} 的晶体结构为六方层状,{zh}原子位于层间,{a}-{b} 键长约 2.4 Å,带隙为 1.2 eV。",
)


def free(crystals: Iterable[Any]) -> list[Described]:
    """Free text, by turns in seven manners."""
    chinese = {symbol: name for name, symbol in NAMES.items() if name > "\u3400"}
    english = {symbol: name for name, symbol in reversed(list(NAMES.items())) if name.isascii()}
    draw = random.Random(0)
    described = []
    for i, crystal in enumerate(crystals):
        symbols = sorted(set(crystal.structure.elements))
        a, b = draw.choice(symbols), draw.choice(symbols)
        text = _FREE[i % len(_FREE)].format(a=a, b=b, A=english[a], zh=chinese[a], f=crystal.formula)
        described.append((text, symbols))
    return described


STYLES: dict[str, Callable[[Iterable[Any]], list[Described]]] = {
    "jarvis-tools": jarvis, "sentences": sentences, "free text": free,
}  # fmt: skip


def measure(described: Iterable[Described], *, tell: bool = True) -> Coverage:
    """Coverage over descriptions."""
    coverage = Coverage()
    for text, elements in described:
        coverage.add(text, elements, tell=tell)
    return coverage


def main() -> None:
    from crysmm_attn_plugin.demo.crystals import load_demo_crystals

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=325, help="how many of the demo's crystals")
    parser.add_argument("--most", type=int, default=25, help="misses listed")
    parser.add_argument(
        "--texts", action="append", default=[], metavar="NAME=FILE", help="further descriptions"
    )
    parser.add_argument(
        "--cifs",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="titles, notes and names in CIF files",
    )
    asked = parser.parse_args()
    crystals = list(load_demo_crystals().crystals)[: asked.crystals]
    styles = {name: make(crystals) for name, make in STYLES.items()}
    for item in asked.texts:
        name, _, file = item.partition("=")
        styles[name] = [
            (d["text"], d["elements"]) for d in json.loads(Path(file).read_text(encoding="utf-8"))
        ]
    for item in asked.cifs:
        name, _, folder = item.partition("=")
        styles[name] = cif_texts(Path(folder))
    for name, described in styles.items():
        for tell in (True, False):
            print(f"{name}, elements {'known' if tell else 'unknown'}")
            for line in measure(described, tell=tell).lines(asked.most):
                print(f"    {line}")


if __name__ == "__main__":
    main()
