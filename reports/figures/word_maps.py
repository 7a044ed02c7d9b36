"""Attention maps over words instead of tokens, and which words are worth their place on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.records import AttentionMap
from crysmm_attn_plugin.text import Word, merge_tokens


@dataclass(frozen=True)
class MergedMaps:
    """Maps of one crystal over words.

    Attributes:
        words: The words of the description, in order.
        values: Arm -> (atoms, words), mean over heads, summed over a word's tokens.
        heads: Number of heads averaged.
        row_labels: One label per atom.
        elements: One element symbol per atom.
    """

    words: tuple[Word, ...]
    values: Mapping[str, np.ndarray]
    heads: int
    row_labels: tuple[str, ...]
    elements: tuple[str, ...]


@dataclass(frozen=True)
class Crop:
    """Which words are shown: positions in text order, and the share of attention they hold in each arm."""

    kept: tuple[int, ...]
    total: int
    held: Mapping[str, float]


def merge(maps: Mapping[str, AttentionMap]) -> MergedMaps:
    """Maps of one crystal, one an arm, over words instead of tokens.

    Args:
        maps: Arm -> map with weights (heads, atoms, tokens), direction atom_to_text.
    """
    first = next(iter(maps.values()))
    n_tokens = first.weights.shape[-1]
    words = merge_tokens(first.tokens, first.elements) if first.tokens is not None else ()
    if sum(len(w.positions) for w in words) != n_tokens:
        words = tuple(Word(str(i + 1), (i,)) for i in range(n_tokens))
    values = {}
    for arm, one in maps.items():
        mean = np.asarray(one.weights, np.float64).mean(0)
        values[arm] = np.stack([mean[:, list(w.positions)].sum(1) for w in words], axis=1)
    return MergedMaps(words, values, int(first.weights.shape[0]), first.atom_labels, tuple(first.elements))


def crop(merged: MergedMaps, most: int) -> Crop:
    """The ``most`` words with the highest mean attention in any arm, in text order."""
    total = len(merged.words)
    height = np.max([v.mean(0) for v in merged.values.values()], axis=0)
    order = np.argsort(-height, kind="stable")[:most]
    kept = tuple(sorted(int(i) for i in order))
    held = {arm: float(v[:, list(kept)].sum(1).mean()) for arm, v in merged.values.items()}
    return Crop(kept, total, held)
