"""Values drawn from a fuzzer's bytes, the same for the same bytes on every machine."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

#: Characters that parsers, tokenizers and spreadsheets treat specially, beside plain letters.
AWKWARD = (
    "aAbBzZ09 .,;:-_=+@|<>&\"'`\\/{}[]()$%#^~*!?\t\n\r\0"
    "ÅåéßµΩ°²₃−–—…×→Ġ▁Ċ\u00a0\u0301\u200b\u202e\ufeff\ufffd\ud800中文，。％🙂"
)


class Draw:
    """Reads a fuzzer's bytes from the front; zeros follow their end.

    Args:
        content: The bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def left(self) -> int:
        """Bytes that were not used yet."""
        return max(len(self._content) - self._at, 0)

    def take(self, n: int) -> bytes:
        """The next ``n`` bytes, fewer at the end."""
        found = self._content[self._at : self._at + n]
        self._at += n
        return found

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left)

    def whole(self, most: int) -> int:
        """A number from 0 to ``most``."""
        size = 1 if most < 256 else 2 if most < 65536 else 8
        return int.from_bytes(self.take(size), "little") % (most + 1)

    def flag(self) -> bool:
        return bool(self.whole(1))

    def one(self, choices: Sequence[T]) -> T:
        return choices[self.whole(len(choices) - 1)]

    def number(self) -> float:
        """Any double, NaN and infinities among them; one in two of a size that people meet."""
        if self.flag():
            return self.one((-1, 1)) * self.whole(2**32) / 10.0 ** self.whole(12)
        return float(struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0])

    def text(self, most: int = 24) -> str:
        """Text of awkward characters, or whatever the bytes say in UTF-8."""
        n = self.whole(most)
        if self.flag():
            return self.take(n).decode("utf-8", "surrogateescape")
        return "".join(AWKWARD[b % len(AWKWARD)] for b in self.take(n))
