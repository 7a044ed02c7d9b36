"""Tokens of a description read as words: where each stands, its word, its class, the elements that it mentions. Torch-free.

Words are cut from the text and tokens laid on it by their characters, so that every tokenizer gives the same words.
Where less than 90 % of the tokens are found in the text, nothing is said about words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from crysmm_attn_plugin.text.alignment import TRUSTED_SHARE, Span, align
from crysmm_attn_plugin.text.classes import Classed, classify
from crysmm_attn_plugin.text.rebuilt import rebuild
from crysmm_attn_plugin.text.segment import ELEMENT, Form, is_punctuation, words_in


class Tokens(Protocol):
    """What is read here: ``records.TokenLabels``, or anything with these (lengths L)."""

    @property
    def tokens(self) -> tuple[str, ...]: ...
    @property
    def word_ids(self) -> tuple[int, ...]: ...
    @property
    def special(self) -> tuple[bool, ...]: ...
    @property
    def text(self) -> str: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Word:
    """One word of the description, or one special token.

    Attributes:
        text: The word as the description spells it.
        positions: Indices into the tokens, ascending.
        special: True for [CLS], [SEP] and their like.
        category: A key of ``catalogue.TOKEN_CATEGORIES``, or ``element``.
        elements: Symbols the word mentions, in order, for example ``("Na", "Cl")`` for ``NaCl``.
        space_before: True when the description has white space (or its beginning) before the word.
    """

    text: str
    positions: tuple[int, ...]
    special: bool = False
    category: str = "other"
    elements: tuple[str, ...] = ()
    space_before: bool = True


class Reading:
    """A description's tokens laid on its text.

    Attributes:
        text: The description; rebuilt from the tokens where it is not known.
        offsets: Per token (start, end) in ``text``, (-1, -1) for special tokens and what was not found.
        aligned: Share of real tokens found in the text.
        trusted: Whether enough tokens were found for anything to be said about words.
        categories: Per token, keys of ``catalogue.TOKEN_CATEGORIES`` or ``element``; None where not ``trusted``.
        elements: Per token the element it mentions or "", several separated by a blank; None where not ``trusted``.
    """

    def __init__(self, labels: Tokens, elements: frozenset[str]) -> None:
        self._labels = labels
        if labels.text:
            laid = align(labels.tokens, labels.special, labels.text)
            self.text, self.offsets, self.aligned = labels.text, laid.offsets, laid.aligned
        else:
            self.text, self.offsets = rebuild(labels.tokens, labels.special, labels.word_ids)
            self.aligned = 1.0
        self.trusted = self.aligned >= TRUSTED_SHARE
        self.categories: tuple[str, ...] | None = None
        self.elements: tuple[str, ...] | None = None
        self._found: list[tuple[int, int, Form]] = []
        self._classed: list[Classed] = []
        self._owners: list[int] = [_NONE] * len(labels.tokens)
        if self.trusted:
            self._found = words_in(self.text)
            self._classed = classify(self._found, elements)
            self._owners = owners(labels.tokens, self.offsets, self._found)
            self._of_tokens()

    def _of_tokens(self) -> None:
        labels, classed, found = self._labels, self._classed, self._found
        categories: list[str] = []
        elements: list[str] = []
        for position, index in enumerate(self._owners):
            named = ""
            if index == _NONE:
                category = self._of_none(position)
            else:
                word = classed[index]
                category = word.category
                if word.spans:
                    span = self.offsets[position] if self.offsets[position][0] >= 0 else found[index][:2]
                    category, named = _of_token(word, span, found[index][0], self.text)
            categories.append(category)
            elements.append(named)
        self.categories, self.elements = tuple(categories), tuple(elements)
        assert len(categories) == len(labels.tokens)

    def _of_none(self, position: int) -> str:
        if self._labels.special[position]:
            return "special"
        return "other" if self._labels.tokens[position].strip(_BLANKS) else "punctuation"

    @property
    def parts(self) -> tuple[list[tuple[int, int, Form]], list[Classed]]:
        """The text cut into words with their places, and what each is; empty where not ``trusted``."""
        return self._found, self._classed

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The description's words; every token is in exactly one. One word a token where not ``trusted``."""
        words: list[Word] = []
        members: list[int] = []
        total = len(self._owners)
        for position, index in enumerate(self._owners):
            if index == _NONE:
                special = self._labels.special[position]
                words.append(
                    Word(self._labels.tokens[position], (position,), special, self._of_none(position))
                )
                continue
            members.append(position)
            if position + 1 < total and self._owners[position + 1] == index:
                continue
            start, _, form = self._found[index]
            word = self._classed[index]
            symbols = tuple(dict.fromkeys(s for _, _, s in word.spans)) if word.spans else ()
            space = start == 0 or self.text[start - 1].isspace()
            words.append(Word(form.text, tuple(members), False, word.category, symbols, space))
            members = []
        return tuple(words)

    def class_shares(self) -> tuple[dict[str, float], ...] | None:
        """Per token its characters by class (sums to one): a token such as ``Å;`` reaches over two words.

        Elements and the punctuation of a bond are ``element`` and ``punctuation`` as in ``categories``; None where not
        ``trusted``.
        """
        if self.categories is None:
            return None
        shares: list[dict[str, float]] = []
        for position, (start, end) in enumerate(self.offsets):
            if start < 0:
                shares.append({self.categories[position]: 1.0})
                continue
            held: dict[str, float] = {}
            for index in range(*self._reached(start, end)):
                low, high, _ = self._found[index]
                for place in range(max(low, start), min(high, end)):
                    category, _ = _of_token(self._classed[index], (place, place + 1), low, self.text)
                    held[category] = held.get(category, 0.0) + 1.0
            total = sum(held.values())
            shares.append(
                {k: v / total for k, v in held.items()} if total else {self.categories[position]: 1.0}
            )
        return tuple(shares)

    def _reached(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_right(self._found, start, key=lambda w: w[1])
        return low, bisect_left(self._found, end, key=lambda w: w[0])


def read_text(labels: Tokens, elements: Iterable[str] | None = None) -> Reading:
    """Read a description.

    Args:
        labels: Its tokens, padding removed, and its text.
        elements: The crystal's symbols, None where they are unknown: an ambiguous symbol (In, As, I, P ...) is an element only
            where the crystal holds it or the words around say so.
    """
    return _read(labels, frozenset(elements or ()))


def merge_tokens(labels: Tokens, elements: Iterable[str] | None = None) -> tuple[Word, ...]:
    """The description's words, each with the positions of its tokens; every token is in exactly one word."""
    return _read(labels, frozenset(elements or ())).words


def token_categories(labels: Tokens, elements: Iterable[str] | None = None) -> tuple[str, ...] | None:
    """One class per token (length L), ``element`` for mentions; None where the tokens are not those of the text."""
    return _read(labels, frozenset(elements or ())).categories


def token_elements(labels: Tokens, elements: Iterable[str] | None = None) -> tuple[str, ...] | None:
    """Element each token mentions (length L), or ""; None where the tokens are not those of the text.

    A token that covers several elements of a formula (``sio`` of ``SiO2``) names them all, separated by one
    space; ``symbol in entry.split()`` is the test for a mention. A subscript belongs to the element before.
    """
    return _read(labels, frozenset(elements or ())).elements


@lru_cache(maxsize=128)
def _read(labels: Tokens, elements: frozenset[str]) -> Reading:
    return Reading(labels, elements)


def _of_token(word: Classed, span: Span, start: int, text: str) -> tuple[str, str]:
    """Class and elements of a token inside a word that names elements."""
    low, high = span[0] - start, span[1] - start
    named = dict.fromkeys(s for a, b, s in word.spans if a < high and b > low)
    if named:
        return ELEMENT, " ".join(named)
    if word.category == ELEMENT:
        return ("punctuation" if is_punctuation(text[span[0] : span[1]]) else "other"), ""
    return word.category, ""


#: A token of these characters stands for white space alone.
_BLANKS = "▁ĠĊ \t\n"
_LONE = ("▁", "Ġ")
_NONE = -1


def owners(
    tokens: Sequence[str], offsets: Sequence[Span], found: Sequence[tuple[int, int, Form]]
) -> list[int]:
    """Per token the index of the word it has most characters of, -1 for special tokens and what was not found.

    A mark that stands alone (``▁``, ``Ġ``) belongs to the word it announces.
    """
    result: list[int] = []
    starts = [w[0] for w in found]
    ends = [w[1] for w in found]
    index = 0
    last = len(found) - 1
    lone = False
    for position, (start, end) in enumerate(offsets):
        if start < 0 or last < 0:
            result.append(_NONE)
            lone = lone or tokens[position] in _LONE
            continue
        while index < last and ends[index] <= start:
            index += 1
        while index > 0 and ends[index - 1] > start:
            index -= 1
        best = index
        if end > ends[index]:
            most = ends[index] - max(start, starts[index])
            k = index + 1
            while k <= last and starts[k] < end:
                held = min(ends[k], end) - starts[k]
                if held > most:
                    best, most = k, held
                k += 1
        result.append(best)
    if lone:
        for position in range(len(result) - 2, -1, -1):
            if result[position] == _NONE and tokens[position] in _LONE:
                result[position] = result[position + 1]
    return result
