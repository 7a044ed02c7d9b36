"""What a tokenizer says of itself: its strings, special tokens, padding, and what it sets around every text."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from crysmm_attn_plugin.hooks.reading.tokenizer_kinds import byte_tokens, is_sentencepiece, is_tiktoken
from crysmm_attn_plugin.text.pieces import UNKNOWN

#: Marks of vocabularies that were looked through.
_CONTROLS: weakref.WeakKeyDictionary[Any, frozenset[int]] = weakref.WeakKeyDictionary()


def tokens_of(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    if is_tiktoken(tokenizer):
        return byte_tokens(tokenizer, ids)
    if is_sentencepiece(tokenizer):
        size = vocabulary_size(tokenizer)
        return [tokenizer.IdToPiece(int(t)) if 0 <= t < size else "[UNK]" for t in ids]
    convert = getattr(tokenizer, "convert_ids_to_tokens", None)
    found = convert(list(ids)) if convert is not None else [tokenizer.id_to_token(t) for t in ids]
    return ["[UNK]" if t is None else str(t) for t in found]


def special_ids_of(tokenizer: Any) -> frozenset[int]:
    """Ids of [CLS], [SEP] and their like, the unknown token left out."""
    if is_tiktoken(tokenizer):
        return frozenset(tokenizer._special_tokens.values())
    if is_sentencepiece(tokenizer):
        if tokenizer not in _CONTROLS:
            size = vocabulary_size(tokenizer)
            _CONTROLS[tokenizer] = frozenset(t for t in range(size) if tokenizer.IsControl(t))
        return _CONTROLS[tokenizer]
    if hasattr(tokenizer, "all_special_ids"):
        unknown = getattr(tokenizer, "unk_token_id", None)
        return frozenset(t for t in tokenizer.all_special_ids if t != unknown)
    added = tokenizer.get_added_tokens_decoder()
    return frozenset(i for i, token in added.items() if token.special and str(token.content) not in UNKNOWN)


def pad_id(tokenizer: Any) -> int | None:
    if is_tiktoken(tokenizer):
        return None
    if is_sentencepiece(tokenizer):
        return tokenizer.pad_id() if tokenizer.pad_id() >= 0 else None
    if hasattr(tokenizer, "all_special_ids"):
        return getattr(tokenizer, "pad_token_id", None)
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    for name in ("[PAD]", "<pad>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return None


def vocabulary_size(tokenizer: Any) -> int:
    if is_tiktoken(tokenizer):
        return int(tokenizer.n_vocab)
    if is_sentencepiece(tokenizer):
        return int(tokenizer.GetPieceSize())
    return len(tokenizer) if hasattr(tokenizer, "__len__") else int(tokenizer.get_vocab_size())


def frame_of(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids that the tokenizer sets before and after every text."""
    if is_tiktoken(tokenizer) or is_sentencepiece(tokenizer):
        return (), ()
    core = getattr(tokenizer, "backend_tokenizer", tokenizer)
    try:
        if hasattr(core, "encode_batch"):
            encoding = core.encode("a")
            marks = list(zip(encoding.ids, encoding.special_tokens_mask, encoding.attention_mask))
            ids = [(t, m) for t, m, real in marks if real]
        else:
            plain = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("a"))
            whole = list(tokenizer.build_inputs_with_special_tokens(plain))
            special = special_ids_of(tokenizer)
            ids = [(t, t in special) for t in whole]
    except Exception:
        return (), ()
    first = next((k for k, (_, mark) in enumerate(ids) if not mark), len(ids))
    last = next((k for k, (_, mark) in enumerate(reversed(ids)) if not mark), 0)
    return tuple(t for t, _ in ids[:first]), tuple(t for t, _ in ids[len(ids) - last :])


def without_padding(row: Sequence[int], tokenizer: Any) -> list[int]:
    ids = list(row)
    pad = pad_id(tokenizer)
    if pad is None:
        return ids
    ends = frame_of(tokenizer)[1] if ids and ids[-1] == pad else ()
    while ids and ids[-1] == pad:
        ids.pop()
    if ends and ends[0] == pad:  # the end mark serves as padding too: one of them is real
        ids.append(pad)
    while ids and ids[0] == pad:
        ids.pop(0)
    return ids
