"""Formulas, ions, site labels and bonds taken apart into the elements that they name. Torch-free."""

from __future__ import annotations

import re
from functools import lru_cache

from crysmm_attn_plugin.text.elements import ELEMENTS

#: (start, end, symbol): characters of a word and the element they name.
ElementSpan = tuple[int, int, str]

_SYMBOL = "(?:" + "|".join(sorted((*ELEMENTS, "D"), key=len, reverse=True)) + ")"
_FIGURES = "[0-9₀-₉⁰¹²³⁴-⁹]"
#: A number of atoms, or one with a variable in it (``7-x``, ``0.5x``), as it stands between marks of a subscript.
_AMOUNT = "(?:[0-9]+(?:\\.[0-9]+)?)?(?:[-−–+]?(?:[0-9]+(?:\\.[0-9]+)?)?(?:[xyzδ]|\\\\delta))?"
#: Subscripts of LaTeX, HTML and CIF files (``O~7-x~``), and amounts in parentheses that no site label has (``Ti(0.35)``).
_MARKED = (
    f"\\$?_\\{{?(?=[0-9xyzδ\\\\]){_AMOUNT}\\}}?\\$?|<sub>(?:<i>)?(?=[0-9xyzδ]){_AMOUNT}(?:</i>)?</sub>"
    f"|~(?:<i>)?(?=[0-9xyzδ]){_AMOUNT}(?:</i>)?~|\\((?:[0-9]+[-−–][xyzδ]|[xyzδ]|[0-9]*\\.[0-9]+)\\)"
)
_COUNT = (
    f"(?:{_MARKED}|(?:[0-9]+(?:\\.[0-9]+)?)?[-−–][xyδ](?![a-z])|{_FIGURES}*(?:\\.[0-9]+)?(?:[xyδ](?![a-z]))?)"
)
_CHARGE = "(?:[+⁺⁻−]|-(?![\\w(])|\\^?\\{?[0-9]?[+-]\\}?\\^?(?![\\w(]))?"
_SITE = "(?:\\((?:[0-9]+|[IVX]+)(?:,[0-9]+)*\\))?"
_GROUP = f"(?:{_SYMBOL}{_COUNT})+"

#: A formula, ion or site label, as a part of a regular expression.
FORMULA = f"(?:{_SYMBOL}{_COUNT}|\\({_GROUP}\\){_COUNT}|\\[{_GROUP}\\]{_COUNT})+{_SITE}{_COUNT}{_CHARGE}"
#: One side of a hyphen.
PART = "[^\\W_]+(?:\\([0-9IVX]+\\))?"

_WHOLE = re.compile(f"[0-9]*({FORMULA})")
_ONE = re.compile(f"({_SYMBOL}){_COUNT}[)\\]]*{_COUNT}{_SITE}{_CHARGE}")
_HYPHENATED = re.compile(f"{PART}(?:[-–]{PART})+")
#: Beginning of a layer stacking's name: 2H-MoS2, 4H-SiC, 1T-TaS2.
_POLYTYPE = re.compile("[0-9]+[A-Z]'?")
#: Ending of a phase's name: TlF-II, KNO3-III.
_PHASES = frozenset("I II III IV V VI VII".split())
_PHASE_NAME = re.compile("[-–][IV]+$")
_MOLECULES = frozenset("H2 D2 N2 O2 O3 F2 Cl2 Br2 I2 S8 P4 H₂ N₂ O₂ O₃ F₂ Cl₂ Br₂ I₂".split())
_SITE_LABEL = re.compile(f"{_SYMBOL}(?:[0-9]+|\\((?:[0-9]+|[IVX]+)(?:,[0-9]+)*\\))[0-9]*{_CHARGE}")


@lru_cache(maxsize=4096)
def element_spans(text: str) -> tuple[ElementSpan, ...]:
    """Elements named by a formula, ion, site label or bond (``Na-Cl``), or () when the word is none of these."""
    whole = _one_formula(text)
    if whole or not _HYPHENATED.fullmatch(text):
        return whole
    spans: list[ElementSpan] = []
    offset = 0
    for k, part in enumerate(re.split("([-–])", text)):
        label = (k == 0 and _POLYTYPE.fullmatch(part)) or (k == 2 and len(spans) > 1 and part in _PHASES)
        if k % 2 == 0 and not label:
            inside = _one_formula(part)
            if not inside:
                return ()
            spans += [(offset + a, offset + b, s) for a, b, s in inside]
        offset += len(part)
    return tuple(spans)


def _one_formula(text: str) -> tuple[ElementSpan, ...]:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return ()
    return tuple((m.start(), m.end(), m[1]) for m in _ONE.finditer(text, match.start(1)))


def kind_of(text: str, spans: tuple[ElementSpan, ...]) -> str:
    """How a word names its elements: ``bond``, ``site``, ``symbol`` or ``formula``."""
    if not _one_formula(text) and _HYPHENATED.fullmatch(text):
        # both sides of a bond name an element; "Cu3Ti-like" and "TlF-II" have one side that does
        sides = {len(re.findall("[-–]", text[:start])) for start, _, _ in spans}
        named = spans[-1][1] == len(text) or not _PHASE_NAME.search(text)
        return "bond" if len(sides) > 1 and named and not _POLYTYPE.match(text) else "formula"
    if len(spans) > 1 or text in _MOLECULES:
        return "formula"
    if _SITE_LABEL.fullmatch(text):
        return "symbol" if text[-1] in "+-−⁺⁻" and "(" not in text else "site"
    plain = text.rstrip("+-−⁺⁻0123456789²³⁴")
    return "symbol" if plain == (spans[0][2] if spans else "") else "formula"


def lowered_spans(text: str, elements: frozenset[str]) -> tuple[ElementSpan, ...]:
    """Elements of a lower-cased formula or bond (``nacl``, ``k-bi``), read with the crystal's own symbols."""
    spans: list[ElementSpan] = []
    offset = 0
    lowered = {e.lower(): e for e in elements}
    one = _lowered_pattern(tuple(sorted(lowered, key=lambda s: (-len(s), s))))
    for k, part in enumerate(re.split("([-–])", text)):
        if k % 2 == 0:
            place = 0
            while place < len(part):
                match = one.match(part, place)
                if match is None:
                    return ()
                spans.append((offset + place, offset + match.end(), lowered[match[1]]))
                place = match.end()
        offset += len(part)
    return tuple(spans)


@lru_cache(maxsize=256)
def _lowered_pattern(symbols: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"\\(?({'|'.join(symbols)})[0-9]*\\)?[0-9]*")
