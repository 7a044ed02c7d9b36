"""Libraries whose tokenizers are known, and their methods; none of them is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from crysmm_attn_plugin.text.pieces import byte_alphabet

#: Methods that return token ids (some return strings when asked to), and those that only show that a tokenizer is used.
ENCODE = (
    "__call__", "encode", "encode_plus", "batch_encode_plus", "encode_batch", "encode_batch_fast", "Encode", "encode_as_ids",
    "EncodeAsIds", "encode_as_numpy", "EncodeAsNumpy", "encode_ordinary", "encode_ordinary_batch", "encode_to_numpy",
)  # fmt: skip
TOUCH = ("tokenize", "pad", "convert_tokens_to_ids", "Tokenize", "encode_as_pieces", "EncodeAsPieces")
#: (module, class): ``transformers``' by its subclasses too, which have methods of their own.
_TRANSFORMERS = ("transformers.tokenization_utils_base", "PreTrainedTokenizerBase")
_OTHERS = (
    ("tokenizers", "Tokenizer"),
    ("sentencepiece", "SentencePieceProcessor"),
    ("tiktoken.core", "Encoding"),
)


def _imported(module: str, name: str) -> type | None:
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def classes() -> Iterator[type]:
    """Tokenizer classes of libraries that the host has imported."""
    base = _imported(*_TRANSFORMERS)
    if base is not None:
        waiting, seen = [base], {base}
        while waiting:
            cls = waiting.pop()
            yield cls
            subclasses: list[type] = type.__subclasses__(cls)
            for sub in subclasses:
                if sub not in seen:
                    seen.add(sub)
                    waiting.append(sub)
    yield from (found for place in _OTHERS if (found := _imported(*place)) is not None)


def is_tokenizer(value: Any) -> bool:
    """Whether ``value`` is a tokenizer of a library that the host has imported."""
    places = (_TRANSFORMERS, *_OTHERS)
    return any((kind := _imported(*place)) is not None and isinstance(value, kind) for place in places)


def is_sentencepiece(tokenizer: Any) -> bool:
    """A ``SentencePieceProcessor``: its ids are its own, marks and padding are set by the host."""
    kind = _imported("sentencepiece", "SentencePieceProcessor")
    return kind is not None and isinstance(tokenizer, kind)


def is_tiktoken(tokenizer: Any) -> bool:
    """A ``tiktoken.Encoding``: its tokens are bytes, and it has no padding."""
    kind = _imported("tiktoken.core", "Encoding")
    return kind is not None and isinstance(tokenizer, kind)


def byte_tokens(encoding: Any, ids: Sequence[int]) -> list[str]:
    """Tokens of a ``tiktoken.Encoding`` in the byte-level alphabet; its special ones under their names."""
    names = {number: name for name, number in encoding._special_tokens.items()}
    alphabet = byte_alphabet()
    found = []
    for number in ids:
        if number in names:
            found.append(names[number])
            continue
        try:
            found.append("".join(alphabet[b] for b in encoding.decode_single_token_bytes(number)))
        except KeyError:
            found.append("[UNK]")
    return found
