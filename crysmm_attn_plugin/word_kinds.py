"""What kind of word a word is: element, number, symmetry, geometry, function word. Torch-free."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from crysmm_attn_plugin.vocabulary import (
    AFTER_ENGLISH_WORD,
    ELEMENT_NAMES,
    FIELD_FILLERS,
    GEOMETRY_WORDS,
    NOT_FORMULAS,
    NUMBER_WORDS,
    POINT_GROUPS,
    STOP_WORDS,
    SYMBOLS,
    SYMBOLS_LIKE_LOWER_WORDS,
    SYMBOLS_THAT_ARE_WORDS,
    SYMMETRY_BEFORE,
    SYMMETRY_FIELDS,
    SYMMETRY_WORDS,
)

#: Category of a token that mentions an element; a reader with an atom in mind splits it into own and other.
ELEMENT = "element"

#: What tokenizers write for what they do not know.
UNKNOWN = frozenset(("[UNK]", "<unk>", "UNK"))


def is_stopword(word: str) -> bool:
    """True for words of the closed classes of English (see ``vocabulary.STOP_WORDS``); case is ignored."""
    return word.lower() in STOP_WORDS


@lru_cache(maxsize=65536)
def is_punctuation(word: str) -> bool:
    """True when the word holds punctuation only: no letter, no digit, no unit sign such as the degree's."""
    return bool(word) and all(unicodedata.category(c)[0] in "PZ" or c in "~^|`<>=+$" for c in word)


_EL = "(?:" + "|".join(sorted(SYMBOLS, key=len, reverse=True)) + ")"
_SUB = "[0-9₀-₉⁰¹²³⁴-⁹]*(?:\\.[0-9]+)?"
_CHARGE = "(?:[+⁺⁻−]|-(?![\\w(]))?"
_SITE = "(?:\\((?:[0-9]+|[IVX]+)(?:,[0-9]+)*\\))?"
_FORMULA = f"(?:{_EL}{_SUB}|\\((?:{_EL}{_SUB})+\\){_SUB}|\\[(?:{_EL}{_SUB})+\\]{_SUB})+{_SITE}{_SUB}{_CHARGE}"
_PART = "[^\\W_]+(?:\\([0-9IVX]+\\))?"
_SPACE_GROUP = "[PABCFIR](?:-?[1-6](?:_?[1-5])?(?:/[abcdemn])?|[abcdemn])+"
_POINT_GROUP = "(?:" + "|".join(re.escape(p) for p in sorted(POINT_GROUPS, key=len, reverse=True)) + ")"

#: What counts as one word in a run without white space, first alternative first.
WORD = re.compile(
    f"(?<![\\w–-])(?i:{_SPACE_GROUP})(?![\\w(–-])"
    f"|(?<![\\w.)-]){_POINT_GROUP}(?![\\w./-]*\\w)"
    "|[^\\W\\d_][^\\W_]*(?:_[^\\W_]+)+"
    f"|(?<!\\w){_PART}(?:[-–]{_PART})+"
    f"|(?<![A-Za-z]){_FORMULA}(?![A-Za-z])"
    "|(?<![\\w.)])[-−+]?[0-9]+(?:\\.[0-9]+)?(?![0-9]*\\.[0-9])|[0-9]+(?:\\.[0-9]+)?"
    "|[^\\W\\d_]+|\\s+|.",
    re.DOTALL,
)
_IS_SPACE_GROUP = re.compile(_SPACE_GROUP)
_IS_LOWERED_SPACE_GROUP = re.compile(f"(?=.*[0-9])(?=...)(?i:{_SPACE_GROUP})")
_IS_POINT_GROUP = re.compile(_POINT_GROUP)
_IS_FORMULA = re.compile(f"[0-9]*({_FORMULA})")
_ELEMENT_AND_COUNT = re.compile(f"({_EL}){_SUB}[)\\]]*{_SUB}{_SITE}{_CHARGE}")
_NUMBER = re.compile("[-−+]?[0-9]+(?:\\.[0-9]+)?(?:[-–][0-9]+(?:\\.[0-9]+)?)?(?:%|º|°|Å)?")

Span = tuple[int, int, str]


@lru_cache(maxsize=65536)
def _formula_spans(text: str) -> tuple[Span, ...]:
    """Element spans of a formula, site label, ion or bond (``Na-Cl``), or () when it is none of these."""
    parts = re.split("([-–])", text) if re.fullmatch(f"(?:{_PART})(?:[-–]{_PART})+", text) else [text]
    spans: list[Span] = []
    offset = 0
    for k, part in enumerate(parts):
        if k % 2 == 0:
            match = _IS_FORMULA.fullmatch(part)
            if match is None or part in NOT_FORMULAS:
                return ()
            spans += [
                (offset + m.start(), offset + m.end(), m.group(1)) for m in _ELEMENT_AND_COUNT.finditer(part)
            ]
        offset += len(part)
    return tuple(spans)


def classify(
    texts: Sequence[str], special: Sequence[bool], index: int, cased: bool
) -> tuple[str, tuple[Span, ...]]:
    """Category of the word at ``index`` and the element spans inside it."""
    text = texts[index]
    lower = text.lower()
    before = texts[index - 1].lower() if index and not special[index - 1] else ""
    after = texts[index + 1].lower() if index + 1 < len(texts) and not special[index + 1] else ""
    if is_punctuation(text):
        return "punctuation", ()
    if text in UNKNOWN:
        return "other", ()
    if lower in ("space", "point") and after in ("group", "groups"):
        return "symmetry", ()
    if lower in ("group", "groups") and before in ("space", "point"):
        return "symmetry", ()
    if lower == "bond" and after in ("length", "lengths", "distance", "distances"):
        return "number", ()
    if lower == "crystal" and after == "system":
        return "symmetry", ()
    spans = _formula_spans(text) if cased else _uncased_spans(text, before, after)
    if _IS_SPACE_GROUP.fullmatch(text) and (not spans or _in_symmetry_field(texts, special, index)):
        return "symmetry", ()
    if not cased and _IS_LOWERED_SPACE_GROUP.fullmatch(text):
        return "symmetry", ()
    if spans:
        if _is_english(text, before, after) or (text == "K" and _NUMBER.fullmatch(before) and after != ":"):
            return _plain_category(lower, before), ()
        return ELEMENT, spans
    if _NUMBER.fullmatch(text):
        return ("symmetry" if _in_symmetry_value(texts, special, index) else "number"), ()
    if _IS_POINT_GROUP.fullmatch(text) or (
        len(text) == 1 and lower in "abcdefghijklmnopqrstuvwxyz" and _in_symmetry_value(texts, special, index)
    ):
        return "symmetry", ()
    if lower in ELEMENT_NAMES and not (lower == "lead" and after == "to"):
        return ELEMENT, ((0, len(text), ELEMENT_NAMES[lower]),)
    category, spans = _hyphenated(text)
    if category:
        return category, spans
    return _plain_category(lower, before), ()


def _plain_category(lower: str, before: str) -> str:
    # an uncased tokenizer without the text leaves "2.82 a" of "2.82 angstrom"
    if lower == "a" and _NUMBER.fullmatch(before):
        return "number"
    if lower in NUMBER_WORDS:
        return "number"
    if lower in SYMMETRY_WORDS:
        return "symmetry"
    if lower in GEOMETRY_WORDS:
        return "geometry"
    if lower in STOP_WORDS:
        return "function_word"
    return "other"


def _hyphenated(text: str) -> tuple[str, tuple[Span, ...]]:
    """Compounds (``12-coordinate``, ``SiO4-tetrahedra``, ``bond_distances``): the telling part decides."""
    parts = re.split("([-–_])", text)
    if len(parts) < 3:
        return "", ()
    whole = _plain_category(text.lower(), "")
    kinds = [_plain_category(p.lower(), "") for p in parts[::2]]
    for category in ("geometry", "symmetry", "number"):
        if whole == category or (whole == "other" and category in kinds):
            offset = 0
            spans: list[Span] = []
            for k, part in enumerate(parts):
                if k % 2 == 0 and len(part) > 1:
                    spans += [(offset + a, offset + b, s) for a, b, s in _formula_spans(part)]
                offset += len(part)
            return category, tuple(spans)
    return "", ()


def _is_english(text: str, before: str, after: str) -> bool:
    """Is a capitalised ``In``, ``As``, ``No`` ... at the beginning of a sentence the English word?"""
    if text not in SYMBOLS_THAT_ARE_WORDS:
        return False
    return before in ("", ".", "!", "?", ":", ";") and after in AFTER_ENGLISH_WORD


_LOWER = {s.lower(): s for s in SYMBOLS}
_AFTER_SYMBOL = ("atom", "atoms", "bond", "bonds", "site", "sites", "ion", "ions")


def _uncased_spans(text: str, before: str, after: str) -> tuple[Span, ...]:
    """Element mention in lower-cased text whose spelling is lost: only what cannot well be anything else."""
    symbol = _LOWER.get(text)
    if symbol is None:
        parts = re.split("([-–])", text)
        if len(parts) == 3 and parts[0] in _LOWER and parts[2] in _LOWER:
            return (0, len(parts[0]), _LOWER[parts[0]]), (len(parts[0]) + 1, len(text), _LOWER[parts[2]])
        return ()
    if len(text) == 1 or text in SYMBOLS_LIKE_LOWER_WORDS:
        counted = before in ("equivalent", "inequivalent") or after in ("atom", "atoms", "bond", "bonds")
        return ((0, len(text), symbol),) if counted and after in _AFTER_SYMBOL else ()
    return ((0, len(text), symbol),)


def _in_symmetry_field(texts: Sequence[str], special: Sequence[bool], index: int) -> bool:
    """Is a word that reads as a formula and as a space group (``P2``, ``Pm``) used as the latter here?"""
    following = [t.lower() for t in texts[index + 1 : index + 3]]
    if following[:2] == ["space", "group"] or following[:1] in (["spacegroup"], ["symmetry"]):
        return True
    previous = [t.lower() for t in _sentence_before(texts, special, index, 4)]
    return "crystallizes" not in following and bool(SYMMETRY_BEFORE.intersection(previous))


def _in_symmetry_value(texts: Sequence[str], special: Sequence[bool], index: int) -> bool:
    """Does a number or letter belong to a field such as ``spg_number is 225`` or ``Wyckoff symbols b, a``?"""
    previous = [t.lower() for t in _sentence_before(texts, special, index, 24)]
    for position, word in enumerate(previous):
        space_group = word == "group" and previous[position + 1 : position + 2] == ["space"]
        if word in SYMMETRY_FIELDS or space_group:
            between = previous[:position]
            return all(_NUMBER.fullmatch(w) or len(w) == 1 or w in FIELD_FILLERS for w in between)
    return False


def _sentence_before(texts: Sequence[str], special: Sequence[bool], index: int, most: int) -> list[str]:
    """Up to ``most`` words before ``index`` in its sentence, nearest first."""
    found: list[str] = []
    for position in range(index - 1, max(index - most, 0) - 1, -1):
        if special[position] or texts[position] in (".", "!", "?"):
            break
        found.append(texts[position])
    return found
