"""A description put together again from its tokens, where the text itself is not at hand. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.text.alignment import NOWHERE, Span
from crysmm_attn_plugin.text.lexicon import lexicon
from crysmm_attn_plugin.text.pieces import Pieces, pieces_of


def rebuild(
    tokens: Sequence[str], special: Sequence[bool], word_ids: Sequence[int]
) -> tuple[str, tuple[Span, ...]]:
    """The text that the tokens spell and each one's (start, end) in it, (-1, -1) for special ones.

    Args:
        tokens, special: Length L.
        word_ids: Length L; the tokenizer's own units, -1 where there is none. They are used only where no mark says
            whether a blank stood between two tokens.
    """
    pieces = pieces_of(tokens, special)
    texts = [
        token if unknown else pieces.stream[start:end].strip()
        for token, unknown, (start, end) in zip(tokens, pieces.unknown, pieces.spans)
    ]
    parts: list[str] = []
    offsets: list[Span] = []
    place = 0
    shared = -1
    for i, (text, is_special) in enumerate(zip(texts, special)):
        if is_special or not text:
            offsets.append(NOWHERE)
            continue
        start, end = pieces.spans[i]
        if start < shared and end <= shared and offsets and offsets[-1] != NOWHERE:
            offsets.append(offsets[-1])  # a further byte of a character that is there already
            continue
        if parts and not _joined(i, tokens, special, word_ids, texts, pieces):
            parts.append(" ")
            place += 1
        parts.append(text)
        offsets.append((place, place + len(text)))
        place += len(text)
        shared = max(shared, end)
    return "".join(parts), tuple(offsets)


def _joined(
    i: int,
    tokens: Sequence[str],
    special: Sequence[bool],
    word_ids: Sequence[int],
    texts: Sequence[str],
    pieces: Pieces,
) -> bool:
    """Does nothing separate token ``i`` from the one before?"""
    if i == 0 or special[i] or special[i - 1]:
        return False
    start, end = pieces.spans[i]
    own, before = pieces.stream[start:end], pieces.stream[: pieces.spans[i - 1][1]]
    if pieces.family in ("byte", "metaspace", "character"):
        return not (own[:1].isspace() or before[-1:].isspace())
    if pieces.family == "end_of_word":
        return not tokens[i - 1].endswith("</w>") or _inside_word(i, special, texts)
    if pieces.family == "continuation":
        return tokens[i - 1].endswith("@@")
    if tokens[i].startswith("##") and len(tokens[i]) > 2:
        return True
    if word_ids[i] >= 0 and word_ids[i] == word_ids[i - 1]:
        return True
    return _inside_word(i, special, texts)


def _inside_word(i: int, special: Sequence[bool], texts: Sequence[str]) -> bool:
    after = texts[i + 1] if i + 1 < len(texts) and not special[i + 1] else ""
    earlier = texts[i - 2] if i > 1 and not special[i - 2] else ""
    return _belongs_after(texts[i - 1], texts[i], after) or _belongs_after(earlier, texts[i - 1], texts[i])


def _belongs_after(left: str, sign: str, right: str) -> bool:
    """Does a sign stand inside one word (``2 . 45``, ``spg _ number``)?"""
    if sign == ".":
        return left[-1:].isdigit() and right[:1].isdigit()
    if sign not in ("-", "–", "_", "/") or not left[-1:].isalnum() or not right[:1].isalnum():
        return False
    if sign in "-–":
        # "fm-3m" and "12-coordinate" are one word; "of -12.5" and "s2- atoms" are two
        if right[0].isdigit():
            stop = lexicon().classes.get(left.lower()) == "function_word"
            return left[-1].isdigit() or (len(left) < 3 and not stop)
        return right not in ("atom", "atoms", "ion", "ions")
    return True
