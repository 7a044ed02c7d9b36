"""A description cut into words by its characters alone, the same for every tokenizer. Torch-free.

Numbers, formulas, bonds (``K-Bi``), space groups in any typesetting and compounds (``12-coordinate``) are one word;
Chinese is cut by the lexicon's longest word. What a word is by itself is worked out once; what depends on its
neighbours is left to ``classes``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from crysmm_attn_plugin.text import symmetry
from crysmm_attn_plugin.text.elements import ELEMENTS
from crysmm_attn_plugin.text.formulas import FORMULA, ElementSpan, element_spans
from crysmm_attn_plugin.text.lexicon import lexicon
from crysmm_attn_plugin.text.pieces import UNKNOWN

#: Class of a word that names an element; a reader with an atom in mind splits it into own and other.
ELEMENT = "element"

_CHINESE = "\u3400-\u9fff\U00020000-\U0002ffff"
_POINT_GROUP = (
    "(?:" + "|".join(re.escape(p) for p in sorted(symmetry.POINT_GROUPS, key=len, reverse=True)) + ")"
)
_SPACE_GROUP = re.compile(f"(?<![\\w–-])(?i:{symmetry.SYMBOL_PATTERN})(?![\\w(–-])")
_WORD = re.compile(
    f"[{_CHINESE}]+"
    "|\\[(?:UNK|unk)\\]|<(?:unk|UNK)>"
    f"|(?<![\\w.)-]){_POINT_GROUP}(?![\\w./-]*\\w)"
    f"|(?<![A-Za-z]){FORMULA}(?![\\w]|[-–]\\w|\\((?:[0-9]+|[IVX]+)\\))"
    f"|[^\\W\\d_{_CHINESE}][^\\W_{_CHINESE}]*(?:_[^\\W_]+)+"
    f"|(?<!\\w)(?=[^{_CHINESE}])[^\\W_{_CHINESE}]+(?:\\([0-9IVX]+\\))?(?:[-–][^\\W_{_CHINESE}]+(?:\\([0-9IVX]+\\))?)+"
    "|(?<!\\w)[0-3][Dd](?![\\w])"
    f"|(?<![A-Za-z]){FORMULA}(?![A-Za-z0-9])"
    "|(?<![\\w.)])[-−+]?[0-9]+(?:\\.[0-9]+)?(?![0-9]*\\.[0-9])|[0-9]+(?:\\.[0-9]+)?"
    f"|[^\\W\\d_{_CHINESE}][^\\W_{_CHINESE}]*|\\s+|.",
    re.DOTALL,
)
_CHUNK = re.compile("\\S+")
_NUMBER = re.compile("[-−+]?[0-9]+(?:\\.[0-9]+)?(?:[-–][0-9]+(?:\\.[0-9]+)?)?(?:%|º|°|Å)?")
_DIMENSION = re.compile("[0-3][Dd]")


@dataclass(frozen=True)
class Form:
    """What a word is by itself, whatever stands around it.

    Attributes:
        text: The word.
        lower: In lower case.
        category: Its class when its neighbours do not decide.
        spans: Elements that it names, by character.
        plain: Its class when it names no element after all.
        kind: ``name``; ``maybe`` where neighbours decide (an ambiguous symbol, a number, a letter); ``lower`` where they do
            in a text without capitals; else ``""``.
        number: Whether it is a figure.
    """

    text: str
    lower: str
    category: str
    spans: tuple[ElementSpan, ...]
    plain: str
    kind: str
    number: bool


@lru_cache(maxsize=8192)
def is_punctuation(word: str) -> bool:
    """True when the word holds punctuation only: no letter, no digit, no unit sign such as the degree's."""
    return bool(word) and all(unicodedata.category(c)[0] in "PZ" or c in "~^|`<>=+$" for c in word)


def is_stopword(word: str) -> bool:
    """True for words of the closed classes (``function_word`` of the lexicon); an element's symbol by itself is none."""
    return word not in _ONLY_SYMBOLS and lexicon().classes.get(word.lower()) == "function_word"


#: Symbols nobody writes for a word: "I" and "In" are told apart by their neighbours, "As" too; "NO" is no symbol.
_ONLY_SYMBOLS = frozenset(ELEMENTS) - lexicon().lists["english.symbols"]


def words_in(text: str) -> list[tuple[int, int, Form]]:
    """(start, end, form) of every word of ``text``, in order; white space belongs to none."""
    found: list[tuple[int, int, Form]] = []
    for match in _CHUNK.finditer(text):
        start = match.start()
        for a, b, form in _cut(match[0]):
            found.append((start + a, start + b, form))
    return found


@lru_cache(maxsize=8192)
def _cut(chunk: str) -> tuple[tuple[int, int, Form], ...]:
    found: list[tuple[int, int, Form]] = []
    place = 0
    while place < len(chunk):
        match = _SPACE_GROUP.match(chunk, place)
        if match is not None and _is_symmetry_symbol(match[0]):
            end = match.end()
        else:
            match = _WORD.match(chunk, place)
            end = match.end() if match is not None else place + 1
        text = chunk[place:end]
        if text[0] > "\u33ff" and re.match(f"[{_CHINESE}]", text):
            found += [(place + a, place + b, form_of(text[a:b])) for a, b in _chinese(text)]
        else:
            # a combining mark or a sign that stands for nothing by itself stays with its letter
            while end < len(chunk) and unicodedata.category(chunk[end]) == "Mn":
                end += 1
            found.append((place, end, form_of(chunk[place:end])))
        place = end
    return tuple(found)


def _is_symmetry_symbol(text: str) -> bool:
    if symmetry.space_group(text):
        return True
    # lower-cased: only what cannot be an English word or a formula
    return not text.isalnum() and symmetry.space_group(text, any_case=True) is not None


def _chinese(run: str) -> list[tuple[int, int]]:
    """The longest word of the lexicon at each place; a stretch that it does not know stays one word."""
    known = lexicon()
    cuts: list[tuple[int, int]] = []
    place = unknown_from = 0
    while place < len(run):
        for length in range(min(known.longest_chinese, len(run) - place), 0, -1):
            if known.knows(run[place : place + length]):
                if unknown_from < place:
                    cuts.append((unknown_from, place))
                cuts.append((place, place + length))
                place += length
                unknown_from = place
                break
        else:
            place += 1
    if unknown_from < place:
        cuts.append((unknown_from, place))
    return cuts


@lru_cache(maxsize=8192)
def form_of(text: str) -> Form:
    """What the word ``text`` is by itself."""
    lower = text.lower()
    if is_punctuation(text):
        return Form(text, lower, "punctuation", (), "punctuation", "", False)
    if text in UNKNOWN:
        return Form(text, lower, "other", (), "other", "", False)
    plain = plain_class(lower)
    if _NUMBER.fullmatch(text):
        return Form(text, lower, "number", (), "number", "maybe", True)
    if _DIMENSION.fullmatch(text):
        return Form(text, lower, "geometry", (), "geometry", "", False)
    spans = element_spans(text)
    if spans:
        symbols = [s for _, _, s in spans]
        unsure = text in _AMBIGUOUS or symmetry.space_group(text) or text in symmetry.UNSURE_SCHOENFLIES
        capitals = text.isalpha() and text.isupper()
        maybe = bool(unsure) or capitals or "D" in symbols
        return Form(text, lower, ELEMENT, spans, plain, "maybe" if maybe else "", False)
    if symmetry.space_group(text) or text in symmetry.SCHOENFLIES:
        return Form(text, lower, "symmetry", (), "symmetry", "", False)
    if text in symmetry.POINT_GROUPS:
        return Form(text, lower, "symmetry", (), "symmetry", "", False)
    named = lexicon().named(lower)
    if named:
        return Form(text, lower, ELEMENT, tuple((0, len(text), s) for s in named), plain, "name", False)
    if symmetry.space_group(text, any_case=True) and (
        not text.isalpha() or (len(text) > 3 and plain == "other")
    ):
        return Form(text, lower, "symmetry", (), "symmetry", "", False)
    category, inner = _compound(text)
    if category:
        return Form(text, lower, category, inner, category, "", False)
    maybe = len(text) == 1 or lower in _DECIDED_BY_NEIGHBOURS
    kind = "maybe" if maybe else "lower" if text == lower and text[0] < "\u3400" else ""
    return Form(text, lower, plain, (), plain, kind, False)


_AMBIGUOUS = frozenset(s for s in ELEMENTS if len(s) == 1) | lexicon().lists["english.symbols"] | {"Pa"}
_DECIDED_BY_NEIGHBOURS = frozenset("space point group groups bond crystal lead".split())


def plain_class(lower: str) -> str:
    """Class of a lower-cased word that names no element."""
    return lexicon().classes.get(lower, "other")


def _compound(text: str) -> tuple[str, tuple[ElementSpan, ...]]:
    """Compounds (``12-coordinate``, ``SiO4-tetrahedra``, ``bond_distances``): the telling part decides."""
    parts = re.split("([-–_])", text)
    if len(parts) < 3:
        return "", ()
    whole = plain_class(text.lower())
    kinds = [plain_class(p.lower()) for p in parts[::2]]
    spans: list[ElementSpan] = []
    offset = 0
    for k, part in enumerate(parts):
        if k % 2 == 0 and len(part) > 1:
            named = element_spans(part) if not part.isupper() or any(c.isdigit() for c in part) else ()
            spans += [(offset + a, offset + b, s) for a, b, s in named]
            spans += [
                (offset, offset + len(part), s) for s in (() if named else lexicon().named(part.lower()))
            ]
        offset += len(part)
    for category in ("geometry", "symmetry", "number"):
        if whole == category or (whole == "other" and category in kinds):
            return category, tuple(spans)
    return (ELEMENT, tuple(spans)) if spans and whole == "other" else ("", ())
