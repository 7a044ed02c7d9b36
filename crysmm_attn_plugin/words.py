"""Tokens of a crystal description read as words: merged pieces, categories, element mentions. Torch-free.

A tokenizer cuts ``Fm-3m`` into four pieces and ``2.82`` into three, and an uncased one turns ``Na`` into
``na``. Everything here is decided on the merged word, in the spelling of the description
(``TokenLabels.text``), which the tokens are aligned to first. Where the text is missing, lower-cased tokens
name an element only when they cannot be an English word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from crysmm_attn_plugin.pieces import Pieces, groups
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.word_kinds import ELEMENT, UNKNOWN, Span, classify, is_punctuation, is_stopword

__all__ = [
    "ELEMENT",
    "Word",
    "is_punctuation",
    "is_stopword",
    "merge_wordpieces",
    "token_categories",
    "token_elements",
]


@dataclass(frozen=True)
class Word:
    """One word of the description, or one special token.

    Attributes:
        text: The word as the description spells it.
        positions: Indices into ``TokenLabels.tokens``, ascending.
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


def merge_wordpieces(labels: TokenLabels) -> tuple[Word, ...]:
    """The description's words, each with the positions of its tokens; every token is in exactly one word."""
    return _analyse(labels).words


def token_categories(labels: TokenLabels) -> tuple[str, ...]:
    """One category per token (length L): keys of ``catalogue.TOKEN_CATEGORIES``, ``element`` for mentions."""
    return _analyse(labels).categories


def token_elements(labels: TokenLabels) -> tuple[str, ...]:
    """Element each token mentions (length L), or "".

    A token that covers several elements of a formula (``sio`` of ``SiO2``) names them all, separated by one
    space; ``symbol in entry.split()`` is the test for a mention. A subscript belongs to the element before.
    """
    return _analyse(labels).elements


# -- analysis ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Analysis:
    words: tuple[Word, ...]
    categories: tuple[str, ...]
    elements: tuple[str, ...]


@lru_cache(maxsize=16384)
def _analyse(labels: TokenLabels) -> _Analysis:
    pieces = Pieces(labels)
    grouped = list(groups(labels, pieces))
    texts = ["".join(pieces.texts[i] for i in group) for group in grouped]
    special = [labels.special[group[0]] for group in grouped]
    cased = bool(labels.text) or any(
        not mark and token not in UNKNOWN and token != token.lower()
        for token, mark in zip(labels.tokens, labels.special)
    )
    categories = ["other"] * len(labels.tokens)
    elements = [""] * len(labels.tokens)
    words = []
    for index, (group, text) in enumerate(zip(grouped, texts)):
        spans: tuple[Span, ...] = ()
        if special[index]:
            category = "special"
        else:
            category, spans = classify(texts, special, index, cased)
        offset = 0
        for position in group:
            length = len(pieces.texts[position])
            found = [s for start, end, s in spans if start < offset + max(length, 1) and end > offset]
            elements[position] = " ".join(dict.fromkeys(found))
            inner = category
            if category == ELEMENT and not found:
                inner = "punctuation" if is_punctuation(pieces.texts[position]) else "other"
            categories[position] = ELEMENT if found else inner
            offset += length
        symbols = tuple(dict.fromkeys(s for _, _, s in spans))
        words.append(Word(text, tuple(group), special[index], category, symbols, not pieces.joined[group[0]]))
    return _Analysis(tuple(words), tuple(categories), tuple(elements))
