"""Where in the text each token stands: one algorithm for every tokenizer, by characters alone. Torch-free.

The tokens' characters and the text's are compared without case, accents, white space and compatibility forms, so an
uncased tokenizer's ``a`` finds the angstrom sign. What a host rewrote before it tokenised (``°`` to ``degree``, dashes,
anything that changes the length) is bridged between the nearest characters that agree again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from crysmm_attn_plugin.text.pieces import Pieces, bare, pieces_of

Span = tuple[int, int]

#: Offsets of a token that stands nowhere in the text.
NOWHERE: Span = (-1, -1)

#: Share of real tokens that must be found before anything is said about words.
TRUSTED_SHARE = 0.9

#: Below this share of agreeing characters, what lies between agreements is not taken for a rewriting.
SAME_TEXT = 0.8
_AHEAD_TOKENS, _AHEAD_TEXT = 48, 160
_REWRITTEN = 24
#: A token's characters stand together in the text: over no more than twice their number and this.
_SCATTERED = 4
_HOLE = "\0"
#: Texts whose tokens were just laid on them and may be asked for again: a batch is first labelled, then read.
LAID_BEFORE = 256


@dataclass(frozen=True)
class Alignment:
    """Tokens laid on a text.

    Attributes:
        offsets: Per token (start, end) in the text, ``NOWHERE`` for special tokens and what was not found.
        aligned: Share of real tokens that were found; 1.0 when there is none.
        agreeing: Share of the tokens' characters that stand in the text as they are.
    """

    offsets: tuple[Span, ...]
    aligned: float
    agreeing: float


def align(tokens: Sequence[str], special: Sequence[bool], text: str) -> Alignment:
    """Lay ``tokens`` on ``text``, in order.

    Args:
        tokens: Token strings as the tokenizer's vocabulary spells them, length L.
        special: Length L, True for [CLS], [SEP] and their like.
        text: The description, in the author's spelling or any other.
    """
    return _align(tuple(tokens), tuple(special), text)


@lru_cache(maxsize=LAID_BEFORE)
def _align(tokens: tuple[str, ...], special: tuple[bool, ...], text: str) -> Alignment:
    quick = _quick(tokens, special, text)
    if quick is not None:
        return Alignment(quick, 1.0, 1.0)
    pieces = pieces_of(tokens, special)
    return _Matcher(pieces, special, text).result()


def _quick(tokens: Sequence[str], special: Sequence[bool], text: str) -> tuple[Span, ...] | None:
    """Offsets when each token, marks taken off, simply follows the one before; None otherwise."""
    folded = text.translate(_ONE)
    offsets: list[Span] = []
    place = 0
    for token, is_special in zip(tokens, special):
        if is_special:
            offsets.append(NOWHERE)
            continue
        form = _quick_form(token)
        if not form:
            return None
        if not folded.startswith(form, place):
            # one blank is the rule; anything else between two tokens is looked at below
            while folded.startswith(" ", place):
                place += 1
            if not folded.startswith(form, place):
                return None
        offsets.append((place, place := place + len(form)))
    return tuple(offsets)


@lru_cache(maxsize=16384)
def _quick_form(token: str) -> str:
    """A token as it reads in a text folded one to one; "" when that says nothing (bytes, blanks, unknown)."""
    text = bare(token)
    if text[:1] == "Ġ":
        text = text[1:]
    elif text[:1] == " ":
        text = text.lstrip(" ")
    folded = text.translate(_ONE)
    # stand-ins of bytes that are no letters, and placeholders, need the long way; what stands for two bytes of one letter
    # is found nowhere in the text
    bare_token = token.removeprefix("Ġ").removeprefix("▁")
    simple = bare_token.isascii() or all(c < "\u0100" or c > "\u0370" for c in bare_token)
    return folded if simple and " " not in folded and token[:1] not in "[<" else ""


class _Matcher:
    def __init__(self, pieces: Pieces, special: Sequence[bool], text: str) -> None:
        self.pieces, self.special, self.text = pieces, special, text
        self.b, self.b_index = fold(text)
        self._read_tokens()
        self.at = [-1] * len(self.a)  # index into b of every character of a
        self.regions: list[tuple[int, int, int, int]] = []
        self._match()

    def _read_tokens(self) -> None:
        """Folded characters of all tokens (``a``), a hole for each unknown one, and each token's range in them."""
        folded, index = fold(self.pieces.stream)
        before = [0] * (len(self.pieces.stream) + 1)
        for i in index:
            before[i + 1] += 1
        for k in range(len(self.pieces.stream)):
            before[k + 1] += before[k]
        parts: list[str] = []
        self.ranges: list[Span] = []
        holes = done = 0
        for (start, end), unknown in zip(self.pieces.spans, self.pieces.unknown):
            low, high = before[start], before[end]
            if unknown:
                parts.append(folded[done:low] + _HOLE)
                done = low
                self.ranges.append((low + holes, low + holes + 1))
                holes += 1
            else:
                self.ranges.append((low + holes, high + holes))
        parts.append(folded[done:])
        self.a = "".join(parts)

    def _match(self) -> None:
        a, b = self.a, self.b
        if b.startswith(a):
            self.at = list(range(len(a)))
            return
        i = j = 0
        while i < len(a):
            if j < len(b) and a[i] == b[j]:
                self.at[i] = j
                i, j = i + 1, j + 1
                continue
            found = self._next_agreement(i, j)
            if found is None:
                self.regions.append((i, min(i + 8, len(a)), j, j))
                i += 8
            else:
                self.regions.append((i, i + found[0], j, j + found[1]))
                i, j = i + found[0], j + found[1]
        if self.regions and a.endswith(_HOLE) and self.regions[-1][1] >= len(a):
            # the last token is unknown: it stands for the next word, if there is one
            i0, i1, j0, _ = self.regions.pop()
            self.regions.append((i0, i1, j0, self._end_of_word(j0)))

    def _end_of_word(self, j: int) -> int:
        k = j
        while k + 1 < len(self.b) and self.b_index[k + 1] - self.b_index[k] <= 1:
            k += 1
        return min(k + 1, len(self.b))

    def _next_agreement(self, i: int, j: int) -> Span | None:
        """How far to go in tokens and text until both say the same again: the nearest place."""
        a, b = self.a, self.b
        best: Span | None = None
        least = _AHEAD_TOKENS + _AHEAD_TEXT
        for di in range(min(_AHEAD_TOKENS, len(a) - i)):
            if di >= least:
                break
            if a[i + di] == _HOLE:
                continue
            hole = a.find(_HOLE, i + di, i + di + 6)
            stop = hole if hole >= 0 else min(i + di + 6, len(a))
            anchor = a[i + di : stop]
            short = stop < len(a) and hole < 0
            reach = min(_AHEAD_TEXT, least - di)
            dj = b.find(anchor, j, j + reach + len(anchor)) - j
            if dj < 0 and short:
                near = b.find(anchor[:3], j, j + 8) - j
                dj = near if near >= 0 and near + di <= 8 else -1
            if dj < 0 and i == 0 and best is None and len(anchor) == 6 and di == 0:
                dj = b.find(anchor, j) - j  # the beginning of the text was cut off
                if dj >= 0:
                    return di, dj
            if dj >= 0 and di + dj < least:
                best, least = (di, dj), di + dj
        return best

    def result(self) -> Alignment:
        real = sum(c != _HOLE for c in self.a)
        agreeing = sum(j >= 0 for j in self.at) / real if real else 1.0
        bridged = self._bridged() if agreeing >= SAME_TEXT or not real else {}
        offsets: list[Span] = []
        count = found = 0
        floor = 0
        for index, (low, high) in enumerate(self.ranges):
            span = bridged.get(index, NOWHERE)
            here = [j for j in self.at[low:high] if j >= 0]
            together = here and here[-1] - here[0] < 2 * (high - low) + _SCATTERED
            if together and 2 * len(here) >= high - low:
                span = (self.b_index[here[0]], self.b_index[here[-1]] + 1)
            if span != NOWHERE:
                span = (max(span[0], floor), max(span[1], floor)) if span[0] < floor else span
                span = span if span[0] < span[1] else NOWHERE
                floor = max(floor, span[0])
            offsets.append(span)
            if high > low and not self.special[index]:
                count += 1
                found += span != NOWHERE
        return Alignment(tuple(offsets), found / count if count else 1.0, agreeing)

    def _bridged(self) -> dict[int, Span]:
        """Spans of the tokens that lie between two agreements: rewritten by the host, or unknown to the tokenizer."""
        spans: dict[int, Span] = {}
        for i0, i1, j0, j1 in self.regions:
            if i1 <= i0 or j1 - j0 > 2 * _REWRITTEN or i1 - i0 > _REWRITTEN:
                continue
            if j1 == j0:
                # a sign spelled out by its own first letter (Å, angstrom) is the only addition that has a place
                if j0 == 0 or self.text[self.b_index[j0 - 1]].isascii():
                    continue
                j0 -= 1
            inside = [k for k, (low, high) in enumerate(self.ranges) if low < i1 and high > i0 and low < high]
            start, end = self.b_index[j0], self.b_index[j1 - 1] + 1
            if not any(self.pieces.unknown[k] for k in inside):
                if j1 - j0 <= _REWRITTEN:
                    spans.update(dict.fromkeys(inside, (start, end)))
            elif all(self.pieces.unknown[k] for k in inside):
                parts = _split(self.text, start, end, len(inside))
                spans.update(zip(inside, parts))
        return spans


def _split(text: str, start: int, end: int, n: int) -> list[Span]:
    """``n`` unknown tokens share a stretch of text: each has a word of it, or none can be told apart."""
    if n == 1:
        return [(start, end)]
    words: list[Span] = []
    alone = True
    for offset in range(start, end):
        char = text[offset]
        if char.isspace():
            alone = True
            continue
        # where tokenizers that know unknown words cut: at punctuation and between Chinese characters
        single = (
            unicodedata.category(char)[0] == "P" or (char.isascii() and not char.isalnum()) or char > "\u33ff"
        )
        if words and not alone and not single:
            words[-1] = (words[-1][0], offset + 1)
        else:
            words.append((offset, offset + 1))
        alone = single
    return words if len(words) == n else []


def fold(text: str) -> tuple[str, list[int]]:
    """Characters compared: lower case, no accents, no white space; and where in ``text`` each comes from."""
    out: list[str] = []
    index: list[int] = []
    for i, char in enumerate(text):
        for part in _fold_character(char):
            out.append(part)
            index.append(i)
    return "".join(out), index


@lru_cache(maxsize=4096)
def _fold_character(char: str) -> str:
    if char in "−‐‑‒–—―﹣-":
        return "-"
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).lower())
    return "".join(
        c for c in parts if unicodedata.category(c)[:2] not in ("Mn", "Cc", "Cf") and not c.isspace()
    )


class _OneToOne(dict[int, str]):
    """For ``str.translate``: a character's folded form where that is one character, else the character itself."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        form = " " if char.isspace() else _fold_character(char)
        form = form if len(form) == 1 else char
        self[code] = form
        return form


_ONE = _OneToOne()
