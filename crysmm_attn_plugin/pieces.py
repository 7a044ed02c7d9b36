"""Tokens back to the description's own characters, and which of them make one word. Torch-free."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.word_kinds import UNKNOWN, WORD, is_stopword


class Pieces:
    """Tokens without their tokenizer's marks, in the description's spelling where they are found in it.

    Attributes:
        texts: Length L.
        joined: Length L; True when nothing separates the token from the one before.
    """

    def __init__(self, labels: TokenLabels) -> None:
        byte_level = any(t.startswith("Ġ") for t in labels.tokens)
        sentence_piece = any(t.startswith("▁") for t in labels.tokens)
        bare: list[str] = []
        marked: list[bool | None] = []
        for i, token in enumerate(labels.tokens):
            joined: bool | None = None
            if labels.special[i]:
                joined = False
            elif token.startswith("##") and len(token) > 2:
                token, joined = token[2:], True
            elif byte_level:
                decoded = _decode_bytes(token)
                joined = not decoded[:1].isspace() and i > 0 and not labels.special[i - 1]
                token = decoded.strip()
            elif sentence_piece:
                joined = not token.startswith("▁")
                token = token.lstrip("▁")
            bare.append(token)
            marked.append(joined)
        spans = _align(bare, labels)
        self.texts = [labels.text[s[0] : s[1]] if s else b for s, b in zip(spans, bare)]
        self.joined = [self._is_joined(i, labels, bare, marked, spans) for i in range(len(bare))]

    @staticmethod
    def _is_joined(
        i: int,
        labels: TokenLabels,
        bare: Sequence[str],
        marked: Sequence[bool | None],
        spans: Sequence[tuple[int, int] | None],
    ) -> bool:
        if i == 0 or labels.special[i] or labels.special[i - 1]:
            return False
        before, here = spans[i - 1], spans[i]
        if before and here:
            return here[0] <= before[1]
        if marked[i] is not None:
            return bool(marked[i])
        if labels.word_ids[i] >= 0 and labels.word_ids[i] == labels.word_ids[i - 1]:
            return True
        after = bare[i + 1] if i + 1 < len(bare) and not labels.special[i + 1] else ""
        earlier = bare[i - 2] if i > 1 and not labels.special[i - 2] else ""
        return _belongs_after(bare[i - 1], bare[i], after) or _belongs_after(earlier, bare[i - 1], bare[i])


def _belongs_after(left: str, sign: str, right: str) -> bool:
    """Without the text: does a sign stand inside one word (``2 . 45``, ``spg _ number``)?"""
    if sign == ".":
        return left[-1:].isdigit() and right[:1].isdigit()
    if sign not in ("-", "–", "_", "/") or not left[-1:].isalnum() or not right[:1].isalnum():
        return False
    if sign in "-–":
        # "fm-3m" and "12-coordinate" are one word; "of -12.5" and "s2- atoms" are two
        if right[0].isdigit():
            return left[-1].isdigit() or (len(left) < 3 and not is_stopword(left))
        return right not in ("atom", "atoms", "ion", "ions")
    return True


def groups(labels: TokenLabels, pieces: Pieces) -> Iterator[list[int]]:
    """Positions word by word: runs without white space cut by ``WORD``, the tokenizer's units whole."""
    total = len(labels.tokens)
    start = 0
    while start < total:
        if labels.special[start]:
            yield [start]
            start += 1
            continue
        stop = start + 1
        while stop < total and pieces.joined[stop]:
            stop += 1
        yield from _cut(labels, pieces, start, stop)
        start = stop


def _cut(labels: TokenLabels, pieces: Pieces, start: int, stop: int) -> Iterator[list[int]]:
    run = "".join(pieces.texts[start:stop])
    piece_of = [m.span() for m in WORD.finditer(run)]
    owner: list[int] = []
    edges: list[int] = []
    offset = match = 0
    for position in range(start, stop):
        while match + 1 < len(piece_of) and piece_of[match][1] <= offset:
            match += 1
        owner.append(match)
        offset += len(pieces.texts[position])
        edges.append(offset)
    group = [start]
    for k in range(1, stop - start):
        position = start + k
        same_match = owner[k] == owner[k - 1] or piece_of[owner[k - 1]][1] > edges[k - 1]
        same_unit = 0 <= labels.word_ids[position] == labels.word_ids[position - 1]
        if same_unit and not same_match:
            # "2The": two sentences that were glued together by the description's author
            rest = run[piece_of[owner[k]][0] : piece_of[owner[k]][1]]
            glued = run[edges[k - 1] - 1].isdigit() and rest[:1].isupper() and is_stopword(rest)
            same_unit = not glued
        if same_match or same_unit:
            group.append(position)
        else:
            yield group
            group = [position]
    yield group


def _align(bare: Sequence[str], labels: TokenLabels) -> list[tuple[int, int] | None]:
    """Character span of each token in ``labels.text``, None where it cannot be found.

    Case, accents and compatibility forms are ignored, so ``a`` finds the angstrom sign an uncased tokenizer
    made it from. After an unknown token, or where a host rewrote characters, the search looks further ahead.
    """
    spans: list[tuple[int, int] | None] = [None] * len(bare)
    if not labels.text:
        return spans
    folded, index = _fold(labels.text)
    place = 0
    for i, piece in enumerate(bare):
        if labels.special[i] or piece in UNKNOWN:
            continue
        form = _fold(piece)[0]
        if not form:
            continue
        at = place if folded.startswith(form, place) else folded.find(form, place, place + 48 + len(form))
        if at < 0:
            continue
        place = at + len(form)
        spans[i] = (index[at], index[place - 1] + 1)
    for i, piece in enumerate(bare):
        if piece in UNKNOWN and not labels.special[i]:
            spans[i] = _gap(spans, i, labels.text)
    return spans


def _gap(spans: Sequence[tuple[int, int] | None], i: int, text: str) -> tuple[int, int] | None:
    """What an unknown token stands for: the text between its neighbours."""
    before = spans[i - 1] if i else None
    after = spans[i + 1] if i + 1 < len(spans) else None
    low = before[1] if before else 0
    high = after[0] if after else (min(len(text), low + 24) if i + 2 >= len(spans) else low)
    while low < high and text[low].isspace():
        low += 1
    while high > low and text[high - 1].isspace():
        high -= 1
    return (low, high) if low < high <= low + 48 else None


def _fold(text: str) -> tuple[str, list[int]]:
    """Lower-cased, accents and white space dropped; and where each character came from."""
    out: list[str] = []
    index: list[int] = []
    for i, char in enumerate(text):
        for part in _fold_character(char):
            out.append(part)
            index.append(i)
    return "".join(out), index


@lru_cache(maxsize=8192)
def _fold_character(char: str) -> str:
    parts = unicodedata.normalize("NFKD", char).lower()
    return "".join(c for c in parts if unicodedata.category(c) != "Mn" and not c.isspace())


@lru_cache(maxsize=65536)
def _decode_bytes(token: str) -> str:
    table = _byte_table()
    raw = bytes(table[c] for c in token if c in table)
    return raw.decode("utf-8", errors="ignore") if all(c in table for c in token) else token


@lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """Byte-level BPE's stand-ins: printable Latin-1 stands for itself, the rest follows from U+0100."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in printable}
    rest = (b for b in range(256) if b not in set(printable))
    table.update({chr(256 + n): b for n, b in enumerate(rest)})
    return table
