"""Reduction on an accelerator, and the padded tensors that plugins' metrics are given.

Nothing here reads a value back from the device: word masks are made on the processor and sent without waiting, results stay
where they are until a group of rows is handed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crysmm_attn_plugin.capture.batch_words import PLAIN, BatchWords
from crysmm_attn_plugin.capture.padded_read import read_masks, read_of
from crysmm_attn_plugin.capture.read_what import READ, WORDS_READ
from crysmm_attn_plugin.capture.real_rows import MASSES, Found
from crysmm_attn_plugin.metrics.padded import (
    NAN,
    category_mass,
    metrics_of,
    padding_mass,
    without_padding,
)
from crysmm_attn_plugin.records import AttentionCall

#: The tokenizer's special tokens, beside the words' categories.
SPECIAL = "_special"


@dataclass(frozen=True)
class PaddedScope:
    """One scope of one call.

    Attributes:
        weights: (B, heads, queries, keys), zero on padding and outside the scope, rows summing to one; head-averaged
            weights are the last head where asked for.
        rows, keys: (B, queries) and (B, keys) bool, True where real and in the scope.
        categories: Word category -> (B, keys) or (B, queries, keys) bool, where words are read.
    """

    weights: torch.Tensor
    rows: torch.Tensor
    keys: torch.Tensor
    categories: dict[str, torch.Tensor]


def padded_scopes(
    call: AttentionCall, words: BatchWords, scopes: Sequence[tuple[bool, bool]], *, head_mean: bool
) -> Iterator[PaddedScope]:
    """Each scope of a call with both masks."""
    w, rows, keys = without_padding(call.weights, call.query_mask, call.key_mask)
    reads_text = call.direction == "atom_to_text"
    if len(scopes) == 1:
        yield PaddedScope(_with_mean(w, head_mean), rows, keys, {})
        return
    masks = _scope_masks(call, words, len(scopes), reads_text)
    categories = _categories(call, words) if reads_text else {}
    for s in range(len(scopes)):
        r, k = (rows, masks[:, s]) if reads_text else (masks[:, s], keys)
        scoped = without_padding(w, r, k)[0] if reads_text else w
        yield PaddedScope(_with_mean(scoped, head_mean), r, k, categories)


def reduce_padded(
    call: AttentionCall,
    words: BatchWords,
    scopes: Sequence[tuple[bool, bool]],
    *,
    wanted: frozenset[str],
    head_mean: bool,
) -> Found:
    """As ``real_rows.reduce_real``, on the weights' device, without metrics of single crystals that others registered.

    A crystal whose tokens are not as many as its real positions becomes NaN: to raise would be to wait.
    """
    assert call.query_mask is not None
    assert call.key_mask is not None
    each = list(padded_scopes(call, words, scopes, head_mean=head_mean))
    if call.direction == "atom_to_text" or len(each) == 1:
        found = [metrics_of(x.weights, x.keys, [x.rows], wanted)[0] for x in each]
    else:  # the same rows in every scope, only more or fewer of them
        found = metrics_of(each[0].weights, each[0].keys, [x.rows for x in each], wanted)
    for metrics, scope in zip(found, each):
        metrics |= _masses(scope, wanted)
    reads_text = call.direction == "atom_to_text"
    offered = () if len(each) == 1 else (*READ, *WORDS_READ) if reads_text else READ
    read = [name for name in offered if not wanted or name in wanted]
    if read:
        masks = read_masks(words, reads_text, call.query_mask, call.key_mask)
        for metrics, scope in zip(found, each):
            metrics |= read_of(masks, scope.weights, scope.rows, scope.keys, reads_text, read)
    names = tuple(dict.fromkeys(name for metrics in found for name in metrics))
    values = torch.stack(
        [torch.stack([m[n].to(torch.float32) for n in names], -1) for m in found], 1
    )  # (B, scopes, heads, names)
    if len(each) > 1:
        values = values.masked_fill(~matching(call, words)[:, None, None, None], NAN)
    n_queries = torch.stack([x.rows.sum(-1, dtype=torch.int32) for x in each], 1)
    n_keys = torch.stack([x.keys.sum(-1, dtype=torch.int32) for x in each], 1)
    lost = padding_mass(call.weights, call.query_mask, call.key_mask)
    return Found(names, values, n_queries, n_keys, lost)


def _with_mean(w: torch.Tensor, head_mean: bool) -> torch.Tensor:
    return torch.cat([w, w.mean(1, keepdim=True)], dim=1) if head_mean else w


def _masses(scope: PaddedScope, wanted: frozenset[str]) -> dict[str, torch.Tensor]:
    of_mass = {
        "special_mass": SPECIAL,
        "stopword_mass": "function_word",
        "punctuation_mass": "punctuation",
    }
    found: dict[str, torch.Tensor] = {}
    if not scope.categories:
        return found
    # a row without weight on any key of the scope has no shares
    hollow = (~(scope.weights.sum(-1) > 0) & scope.rows[:, None, :]).any(-1)
    for name in MASSES:
        if not wanted or name in wanted:
            mask = scope.categories.get(of_mass.get(name, name.removeprefix("mass_")))
            if mask is not None:
                found[name] = category_mass(scope.weights, scope.rows, mask).masked_fill(hollow, NAN)
    return found


def _scope_masks(call: AttentionCall, words: BatchWords, n_scopes: int, reads_text: bool) -> torch.Tensor:
    """(B, scopes, tokens) bool on the device."""
    real = call.key_mask if reads_text else call.query_mask
    assert real is not None
    counts = [n or 0 for n in words.token_counts()]
    masks = np.zeros((len(counts), n_scopes, max(max(counts), real.shape[1])), bool)
    for i, known in enumerate(words.crystals):
        masks[i, 0] = True
        for s, end in enumerate(known.ends if known else ()):
            masks[i, s] = False
            masks[i, s, known.order[:end]] = True  # type: ignore[union-attr]
    return placed(sent(masks, real.device), real)


def matching(call: AttentionCall, words: BatchWords) -> torch.Tensor:
    """(B,) bool on the device: a crystal's real positions are as many as its tokens, where these are known."""
    real = call.key_mask if call.direction == "atom_to_text" else call.query_mask
    assert real is not None
    counts = sent(np.array([-1 if n is None else n for n in words.token_counts()]), real.device)
    return (counts < 0) | (real.sum(-1) == counts)


def _categories(call: AttentionCall, words: BatchWords) -> dict[str, torch.Tensor]:
    """Word categories of the keys."""
    assert call.query_mask is not None
    assert call.key_mask is not None
    batch, _, atoms, tokens = call.weights.shape
    atoms = max([atoms, *(n or 0 for n in words.atom_counts())])
    tokens = max([tokens, *(n or 0 for n in words.token_counts())])
    plain = np.zeros((batch, 1 + len(PLAIN), tokens), bool)
    pairs = np.zeros((2, batch, atoms, tokens), bool)
    any_elements = False
    for i, known in enumerate(words.crystals):
        if known is None:
            continue
        plain[i, 0, known.order] = known.special
        plain[i, 1:, known.order] = known.plain
        if known.own is not None and known.other is not None and known.atoms is not None:
            any_elements = True
            for pair, mentions in zip(pairs, (known.own, known.other)):
                pair[i, : len(known.atoms), known.order] = mentions[:, known.atoms]
    device = call.key_mask.device
    on_device = placed(sent(plain, device), call.key_mask)
    found = {name: on_device[:, 1 + j] for j, name in enumerate(PLAIN)} | {SPECIAL: on_device[:, 0]}
    for name, pair in zip(("own_element", "other_element"), pairs) if any_elements else ():
        of_tokens = placed(sent(pair, device), call.key_mask)  # (B, atoms known, tokens in the map)
        found[name] = placed(of_tokens.transpose(1, 2), call.query_mask).transpose(1, 2)
    return found


def placed(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Values of the first, second, ... real position, put where the mask has these positions; False elsewhere.

    Args:
        values: (B, columns, positions) bool.
        real: (B, length) bool.

    Returns:
        (B, columns, length).
    """
    rank = (real.cumsum(-1) - 1).clamp(0, values.shape[-1] - 1)
    return values.gather(-1, rank[:, None].expand(-1, values.shape[1], -1)) & real[:, None]


def sent(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """A numpy array on the device, without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
