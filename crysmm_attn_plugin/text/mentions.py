"""What a description says of each element: symbols, names, formulas taken apart, site labels, bonds, coordination. Torch-free.

The ground truth that attention can be aligned with: which tokens speak of which element, and how.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.text.classes import Classed, classify
from crysmm_attn_plugin.text.reading import Tokens, read_text
from crysmm_attn_plugin.text.segment import ELEMENT, Form, words_in

#: Kinds of mentions. ``bond``: the whole mention with its lengths, for both elements it names; ``coordination``: the whole
#: sentence, for the element it describes.
KINDS = ("symbol", "name", "formula", "site", "bond", "coordination")
#: Kinds whose every token speaks of the element by itself.
DEFAULT_KINDS = frozenset(("symbol", "name", "formula", "site"))

_VERBS = frozenset("bonded coordinated surrounded linked connected".split())
_CHINESE_VERBS = frozenset("键合 成键 配位 连接".split())
_ENDS = frozenset(".!?。!?;;")
_BETWEEN = frozenset(
    ": = , ( bond bonds length lengths distance distances is are of the all in range ranging from to – - å 键 键长 距离 为 是".split()
)


@dataclass(frozen=True)
class Mention:
    """A stretch of text that speaks of elements.

    Attributes:
        start, end: Characters.
        elements: Symbols: one, or the two of a bond.
        kind: One of ``KINDS``.
    """

    start: int
    end: int
    elements: tuple[str, ...]
    kind: str


def mentions_in(text: str, elements: Iterable[str] | None = None) -> tuple[Mention, ...]:
    """Every mention in a text, in order of their beginnings.

    Args:
        text: The description.
        elements: The crystal's symbols, None where they are unknown.
    """
    found = words_in(text)
    return _mentions(found, classify(found, frozenset(elements or ())))


def token_mentions(
    labels: Tokens, elements: Iterable[str] | None = None
) -> tuple[tuple[tuple[str, str], ...], ...] | None:
    """Per token the (symbol, kind) pairs it speaks of; None where the tokens are not those of the text.

    Args:
        labels: Tokens and text, length L.
        elements: The crystal's symbols, None where they are unknown.
    """
    reading = read_text(labels, elements)
    if not reading.trusted:
        return None
    mentions = _mentions(*reading.parts)
    return tuple(
        tuple(
            dict.fromkeys(
                (s, m.kind) for m in mentions if m.start < end and m.end > start for s in m.elements
            )
        )
        if start >= 0
        else ()
        for start, end in reading.offsets
    )


def own_mentions(
    labels: Tokens, elements: Sequence[str], kinds: Collection[str] = DEFAULT_KINDS
) -> np.ndarray | None:
    """Which tokens mention each atom's own element.

    Args:
        labels: Tokens and text, length L.
        elements: Symbols of the atoms.
        kinds: Kinds of mentions that count.

    Returns:
        (atoms, L) bool, or None where the tokens are not those of the text.
    """
    mentioned = token_mentions(labels, elements)
    if mentioned is None:
        return None
    symbols = sorted(set(elements))
    by_symbol = np.array(
        [[any(s == symbol and k in kinds for s, k in token) for token in mentioned] for symbol in symbols],
        bool,
    ).reshape(len(symbols), len(mentioned))
    return by_symbol[[symbols.index(e) for e in elements]]


def _mentions(found: Sequence[tuple[int, int, Form]], classed: Sequence[Classed]) -> tuple[Mention, ...]:
    mentions: list[Mention] = []
    for index, ((start, end, _), word) in enumerate(zip(found, classed)):
        if not word.spans:
            continue
        bond = word.kind == "bond"
        mentions += [
            Mention(start + a, start + b, (s,), "symbol" if bond else word.kind or "formula")
            for a, b, s in word.spans
        ]
        if bond:
            pair = tuple(dict.fromkeys(s for _, _, s in word.spans))
            mentions.append(Mention(start, max(end, _lengths_end(found, index)), pair, "bond"))
    mentions += _coordination(found, classed)
    return tuple(sorted(mentions, key=lambda m: (m.start, m.end)))


def _lengths_end(found: Sequence[tuple[int, int, Form]], index: int) -> int:
    """Where the numbers that follow a bond end ("K-Bi: 3.6, 3.9", "All In–S bond lengths are 2.82 Å"); 0 if there are none."""
    end = 0
    for start, stop, form in found[index + 1 : index + 24]:
        if form.number or (form.lower == "å" and end and start - end <= 1):
            end = stop
        elif form.lower not in _BETWEEN:
            break
    return end


def _coordination(found: Sequence[tuple[int, int, Form]], classed: Sequence[Classed]) -> list[Mention]:
    """Clauses that say what an element is bonded to: from the element to the end of the sentence or the next such clause."""
    subjects: list[tuple[int, str]] = []
    begin = 0
    for index, (_, _, form) in enumerate(found):
        if form.text in _ENDS:
            begin = index + 1
        verb = form.lower in _VERBS and any(
            found[k][2].lower in ("is", "are") for k in range(max(begin, index - 3), index)
        )
        if not verb and form.text not in _CHINESE_VERBS:
            continue
        taken = subjects[-1][0] + 1 if subjects else 0
        before = range(max(begin, taken), index)
        for k in reversed(before) if verb else before:
            symbols = {s for _, _, s in classed[k].spans}
            if classed[k].category == ELEMENT and len(symbols) == 1:
                subjects.append((k, symbols.pop()))
                break
    mentions: list[Mention] = []
    for place, (k, symbol) in enumerate(subjects):
        stop = subjects[place + 1][0] if place + 1 < len(subjects) else len(found)
        last = k
        while last + 1 < stop and found[last][2].text not in _ENDS:
            last += 1
        mentions.append(Mention(found[k][0], found[last][1], (symbol,), "coordination"))
    return mentions
