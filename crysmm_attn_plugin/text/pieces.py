"""Tokens without their tokenizer's marks: the characters that each one stands for. Torch-free.

One reading for every family: ``##`` and ``@@`` (pieces that continue a word), ``</w>`` (its end), ``▁`` (its beginning),
byte-level alphabets, in which a character may be split between tokens, ``<0xE2>`` bytes, and single characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

#: What tokenizers write for what they do not know.
UNKNOWN = frozenset(("[UNK]", "<unk>", "UNK", "<UNK>", "[unk]", "<|unk|>"))

_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
Span = tuple[int, int]


@dataclass(frozen=True)
class Pieces:
    """Characters of a list of tokens, white space of the tokenizer's own included.

    Attributes:
        stream: All tokens' characters, one after another.
        spans: Per token its (start, end) in ``stream``; neighbours share a character that is split between them.
        unknown: Per token, True where the tokenizer did not know what stood there (no characters then).
        family: ``wordpiece``, ``byte``, ``metaspace``, ``end_of_word``, ``continuation``, ``character`` or ``plain``.
    """

    stream: str
    spans: tuple[Span, ...]
    unknown: tuple[bool, ...]
    family: str


def pieces_of(tokens: Sequence[str], special: Sequence[bool]) -> Pieces:
    """Characters of ``tokens``; special tokens have none."""
    real = [t for t, s in zip(tokens, special) if not s and t not in UNKNOWN]
    family = _family(real)
    unknown = tuple(t in UNKNOWN and not s for t, s in zip(tokens, special))
    empty = [s or u for s, u in zip(special, unknown)]
    if family == "byte" or any(t[:3] == "<0x" for t in real):
        parts = [b"" if e else _to_bytes(t, family == "byte") for t, e in zip(tokens, empty)]
        return Pieces(*_decoded(parts), unknown, family)
    stream: list[str] = []
    spans: list[Span] = []
    place = 0
    for token, left_out in zip(tokens, empty):
        text = "" if left_out else bare(token)
        stream.append(text)
        spans.append((place, place + len(text)))
        place += len(text)
    return Pieces("".join(stream), tuple(spans), unknown, family)


@lru_cache(maxsize=16384)
def bare(token: str) -> str:
    """One token without marks, ``▁`` as a blank."""
    if len(token) > 2:
        if token[:2] == "##":
            return token[2:]
        if token[-2:] == "@@":
            return token[:-2]
        if token[-4:] == "</w>":
            token = token[:-4]
    return token.replace("▁", " ")


def _family(tokens: Sequence[str]) -> str:
    joined = "\n".join(tokens)
    if "Ġ" in joined or "Ċ" in joined or (not joined.isascii() and _are_bytes(tokens)):
        return "byte"
    if "▁" in joined:
        return "metaspace"
    if "</w>" in joined:
        return "end_of_word"
    if "##" in joined and any(t[:2] == "##" and len(t) > 2 for t in tokens):
        return "wordpiece"
    if "@@" in joined and any(t[-2:] == "@@" and len(t) > 2 for t in tokens):
        return "continuation"
    if len(tokens) > 1 and all(len(t) == 1 for t in tokens):
        return "character"
    return "plain"


def _are_bytes(tokens: Sequence[str]) -> bool:
    """Are tokens without any blank byte-level all the same? Their letters then decode without a fault."""
    table = _byte_table()
    letters = "".join(t.removesuffix("</w>") for t in tokens)
    if any(c not in table for c in letters):
        return False
    try:
        bytes(table[c] for c in letters).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _to_bytes(token: str, byte_level: bool) -> bytes:
    match = _BYTE.fullmatch(token)
    if match is not None:
        return bytes((int(match[1], 16),))
    if not byte_level:
        return bare(token).encode("utf-8", "surrogatepass")
    table = _byte_table()
    token = token.removesuffix("</w>")
    if all(c in table for c in token):
        return bytes(table[c] for c in token)
    return token.encode("utf-8", "surrogatepass")


def _decoded(parts: Sequence[bytes]) -> tuple[str, tuple[Span, ...]]:
    raw = b"".join(parts)
    stream = raw.decode("utf-8", "surrogateescape")
    if len(stream) == len(raw):
        char_at: Sequence[int] = range(len(raw) + 1)
    else:
        owner: list[int] = []
        for index, char in enumerate(stream):
            owner += [index] * len(char.encode("utf-8", "surrogateescape"))
        char_at = [*owner, len(stream)]
    spans: list[Span] = []
    place = 0
    for part in parts:
        end = place + len(part)
        spans.append((char_at[place], char_at[end - 1] + 1) if part else (char_at[place], char_at[place]))
        place = end
    return stream, tuple(spans)


@lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """Byte-level stand-ins of every byte, and those that stand for themselves."""
    return {chr(b): b for b in range(256)} | {c: b for b, c in enumerate(byte_alphabet())}


def byte_alphabet() -> tuple[str, ...]:
    """The character that stands for each byte: printable Latin-1 for itself, the rest from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    rest = iter(range(256, 512))
    return tuple(chr(b) if b in printable else chr(next(rest)) for b in range(256))
