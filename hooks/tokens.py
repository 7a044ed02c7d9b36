"""The host's own tokenizer calls, seen while a pass is captured, and what they say about each text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.records import TokenLabels


@dataclass
class TokenizerCall:
    """One call: the texts it was given, what it returned, and which tokenizer."""

    texts: tuple[str, ...]
    encoding: Any
    tokenizer: Any


class TokenizerWatch:
    """Keeps the calls of any Hugging Face tokenizer between ``start`` and ``stop``; changes none of them."""

    def __init__(self) -> None:
        self.calls: list[TokenizerCall] = []
        self._cls: Any = None
        self._original: Any = None

    def start(self) -> None:
        """Begin watching, if the host uses transformers at all."""
        base = sys.modules.get("transformers.tokenization_utils_base")
        if base is None or self._cls is not None:
            return
        cls = base.PreTrainedTokenizerBase
        original = cls.__call__
        calls = self.calls

        def watched(tokenizer: Any, *args: Any, **kwargs: Any) -> Any:
            encoding = original(tokenizer, *args, **kwargs)
            texts = args[0] if args else kwargs.get("text")
            texts = [texts] if isinstance(texts, str) else texts
            if isinstance(texts, (list, tuple)) and all(isinstance(t, str) for t in texts):
                calls.append(TokenizerCall(tuple(texts), encoding, tokenizer))
            return encoding

        cls.__call__ = watched
        self._cls, self._original, self._watched = cls, original, watched

    def stop(self) -> None:
        """Put the tokenizer class back as it was."""
        if self._cls is not None and self._cls.__call__ is self._watched:
            self._cls.__call__ = self._original
        self._cls = None

    def clear(self) -> None:
        self.calls.clear()


def labels_of(call: TokenizerCall) -> tuple[TokenLabels, ...]:
    """Token labels of every text of a call, padding removed."""
    return tuple(_labels(call, i) for i in range(len(call.texts)))


def _labels(call: TokenizerCall, i: int) -> TokenLabels:
    ids = _row(call.encoding["input_ids"], i)
    real = _row(call.encoding["attention_mask"], i) if "attention_mask" in call.encoding else [1] * len(ids)
    tokens = call.tokenizer.convert_ids_to_tokens(ids)
    special_ids = set(call.tokenizer.all_special_ids)
    unknown = getattr(call.tokenizer, "unk_token_id", None)
    special = [t in special_ids and t != unknown for t in ids]
    words = _word_ids(call, i, tokens, special)
    keep = [j for j, r in enumerate(real) if r]
    return TokenLabels(
        tuple(str(tokens[j]) for j in keep),
        tuple(words[j] for j in keep),
        tuple(special[j] for j in keep),
        call.texts[i],
        _truncated(call, i, len(keep)),
    )


def _word_ids(call: TokenizerCall, i: int, tokens: Sequence[str], special: Sequence[bool]) -> list[int]:
    if getattr(call.encoding, "is_fast", False):
        return [-1 if w is None else int(w) for w in call.encoding.word_ids(i)]
    words, current = [], -1
    for token, is_special in zip(tokens, special):
        if is_special:
            words.append(-1)
            continue
        if not str(token).startswith("##") or current < 0:
            current += 1
        words.append(current)
    return words


def _truncated(call: TokenizerCall, i: int, n_real: int) -> bool:
    """True when the text did not fit: a fast tokenizer keeps what overflowed, for a slow one it is split again."""
    encodings = getattr(call.encoding, "encodings", None)
    if encodings:
        return bool(encodings[i].overflowing)
    ids = _row(call.encoding["input_ids"], i)
    if n_real < len(ids):  # padded, so shorter than the longest of its batch
        return False
    special = set(call.tokenizer.all_special_ids) - {getattr(call.tokenizer, "unk_token_id", None)}
    return len(call.tokenizer.tokenize(call.texts[i])) + sum(t in special for t in ids) > n_real


def _row(values: Any, i: int) -> list[int]:
    row = values[i]
    return [int(x) for x in (row.tolist() if hasattr(row, "tolist") else row)]
