"""Which way a map points: rows atoms and columns tokens, the reverse, or not cross-modal at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from crysmm_attn_plugin.hooks.taps.base import RawAttention
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, Direction

ATOM_WORDS = ("node", "atom", "graph", "query")
TEXT_WORDS = ("token", "text", "word", "key", "attention")


@dataclass(frozen=True)
class NotCrossModal:
    """Why a map is left out: ``single_key`` (a softmax over one key is always 1) or ``lengths``."""

    module: str
    why: str
    detail: str


def resolve(raw: RawAttention, identity: BatchIdentity, call: int) -> AttentionCall | NotCrossModal:
    """Direction and masks of a map, from the batch's atom and token counts.

    A side fits when its length is the batch's largest count, or when a mask the module was given sums to the counts.

    Args:
        raw: What the tap saw.
        identity: The batch.
        call: Which call of the module in this forward.
    """
    weights = raw.weights
    batch, _, queries, keys = weights.shape
    if batch != len(identity):
        return NotCrossModal(raw.module, "lengths", f"{batch} maps for {len(identity)} crystals")
    atoms = list(identity.n_atoms)
    tokens = [len(t.tokens) for t in identity.tokens] if identity.tokens else None
    if queries == 1 and keys == 1 and (max(atoms) > 1 or (tokens and max(tokens) > 1)):
        return NotCrossModal(raw.module, "single_key", "one query over one key")
    forward = _fit(queries, atoms, raw.masks, ATOM_WORDS) + _fit(keys, tokens, raw.masks, TEXT_WORDS)
    backward = _fit(queries, tokens, raw.masks, TEXT_WORDS) + _fit(keys, atoms, raw.masks, ATOM_WORDS)
    if raw.direction in ("atom_to_text", "text_to_atom"):
        direction: Direction = raw.direction  # type: ignore[assignment]
    elif max(forward, backward) < 2:
        sizes = f"{queries} x {keys} for up to {max(atoms)} atoms"
        return NotCrossModal(raw.module, "lengths", sizes + (f" and {max(tokens)} tokens" if tokens else ""))
    elif forward == backward:
        direction = "atom_to_text" if raw.order % 2 == 0 else "text_to_atom"
    else:
        direction = "atom_to_text" if forward > backward else "text_to_atom"
    atom_side, token_side = (queries, keys) if direction == "atom_to_text" else (keys, queries)
    atom_mask = _given(raw.masks, ATOM_WORDS, batch, atom_side, atoms)
    token_mask = _given(raw.masks, TEXT_WORDS, batch, token_side, tokens)
    query_mask, key_mask = (atom_mask, token_mask) if direction == "atom_to_text" else (token_mask, atom_mask)
    return AttentionCall(raw.module, call, direction, weights, query_mask, key_mask)


def real_mask(
    given: torch.Tensor | None, counts: list[int] | None, length: int, device: torch.device
) -> torch.Tensor | None:
    """(batch, length) mask of real positions: the module's own, else the first ``counts`` of each row."""
    if given is not None:
        return given.to(device)
    if counts is None:
        return None
    return torch.arange(length, device=device)[None, :] < torch.tensor(counts, device=device)[:, None]


def _fit(
    length: int, counts: list[int] | None, masks: Mapping[str, torch.Tensor], words: tuple[str, ...]
) -> int:
    """1 when a side of this length can be the modality with these counts, else 0 (unknown counts: 1)."""
    if counts is None:
        return 1
    if length == max(counts):
        return 1
    return int(_given(masks, words, len(counts), length, counts) is not None)


def _given(
    masks: Mapping[str, torch.Tensor],
    words: tuple[str, ...],
    batch: int,
    length: int,
    counts: list[int] | None,
) -> torch.Tensor | None:
    """A mask argument of this shape that sums to the counts; by name when several do."""
    fitting = [
        name
        for name, mask in masks.items()
        if tuple(mask.shape) == (batch, length) and (counts is None or mask.sum(-1).tolist() == counts)
    ]
    named = [n for n in fitting if any(w in n for w in words)]
    chosen = named or fitting
    return masks[chosen[0]] if chosen else None
