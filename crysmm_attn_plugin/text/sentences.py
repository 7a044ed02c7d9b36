"""Which sentence of its description each token stands in. Torch-free."""

from __future__ import annotations

import re
from bisect import bisect_right

from crysmm_attn_plugin.text.reading import Reading

#: Where a sentence ends: a full stop that no character follows, as one within a number does; a line; Chinese marks anywhere.
_END = re.compile(r"[.!?]+(?=[\s\])\"'”]|$)|[。！？]|\n")


def sentences_of(reading: Reading) -> tuple[int, ...]:
    """Sentence of each token, from zero; -1 for special tokens and what was not found in the text.

    Args:
        reading: The description, as ``read_text`` gives it.
    """
    text = reading.text
    ends = [m.end() for m in _END.finditer(text)]
    filled: list[int] = []
    before = 0
    for end in ends:  # a line that follows a full stop ends nothing
        if text[before:end].strip(" \t\n.!?。！？"):
            filled.append(end)
        before = end
    return tuple(bisect_right(filled, start) if start >= 0 else -1 for start, _ in reading.offsets)
