"""Attention maps packed for the page: words instead of tokens, eight bits a weight, one block a crystal.

A block is gzip in base64 of: the header's length (uint32, little endian), the header (JSON), and for each map in the
header's order ``heads x atoms`` row scales (uint16, in 1/65535) followed by ``heads x atoms x words`` codes (uint8).
A weight is ``scale * (code / 255)**2``: the square root spends the eight bits where attention is small.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.records import AttentionMap, Structure
from crysmm_attn_plugin.text import Word, merge_tokens

#: Characters of base64 that all blocks together may take; the whole page stays below 30 MB.
BUDGET = 22_000_000
#: Runs of an arm whose maps may lie on the page.
MOST_RUNS = 5
FORWARD, BACKWARD = "atom_to_text", "text_to_atom"


@dataclass(frozen=True)
class PackedMaps:
    """Blocks of a page.

    Attributes:
        forward: Crystal id -> block with the header and the atom-to-text maps.
        backward: Crystal id -> block with the text-to-atom maps, for the crystals that still fitted.
        runs: (crystal id, number of the run from 1 on) -> block with the atom-to-text maps of the arms' other runs.
        total: Crystals whose maps were captured in every arm.
        cut: True when the budget left crystals out.
    """

    forward: Mapping[str, str] = field(default_factory=dict)
    backward: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[tuple[str, int], str] = field(default_factory=dict)
    total: int = 0
    cut: bool = False


def pack_all(
    comparison: Any, order: Sequence[str], arms: Sequence[str], *, budget: int = BUDGET
) -> PackedMaps:
    """Pack crystals in ``order`` until the budget is used: every crystal's atom-to-text maps first.

    Args:
        comparison: A ``reports.comparison.Comparison``.
        order: Crystal ids, those to be kept first at the front.
        arms: Arm names.
        budget: Characters of base64.
    """
    forward: dict[str, str] = {}
    backward: dict[str, str] = {}
    used = 0
    cut = False
    for id in order:
        block = pack_crystal(comparison, id, arms, FORWARD)
        if block is None:
            continue
        if used + len(block) > budget:
            cut = True
            break
        forward[id] = block
        used += len(block)
    if BACKWARD in comparison.result.directions:
        for id in forward:
            block = pack_crystal(comparison, id, arms, BACKWARD)
            if block is None:
                continue
            if used + len(block) > budget:
                break
            backward[id] = block
            used += len(block)
    runs: dict[tuple[str, int], str] = {}
    for id in forward:
        blocks = {
            (id, k): pack_crystal(comparison, id, arms, FORWARD, run=k)
            for k in range(1, _most_runs(comparison))
        }
        known = {key: one for key, one in blocks.items() if one is not None}
        size = sum(map(len, known.values()))
        if used + size > budget:
            break
        runs |= known
        used += size
    return PackedMaps(forward, backward, runs, len(order), cut)


def _most_runs(comparison: Any) -> int:
    return min(max((a.n_seeds for a in comparison.result.arms), default=1), MOST_RUNS)


def pack_crystal(
    comparison: Any, id: str, arms: Sequence[str], direction: str, *, run: int = 0
) -> str | None:
    """One crystal's block, or None when no arm kept such a map.

    Args:
        comparison: A ``reports.comparison.Comparison``.
        id: The crystal.
        arms: Arm names.
        direction: ``atom_to_text`` or ``text_to_atom``.
        run: Which run of each arm, in the order of the result.
    """
    maps = {arm: one for arm in arms if (one := _map(comparison, id, arm, direction, run)) is not None}
    if not maps:
        return None
    first = next(iter(maps.values()))
    maps = {arm: one for arm, one in maps.items() if one.weights.shape[1:] == first.weights.shape[1:]}
    n_tokens = first.weights.shape[2 if direction == FORWARD else 1]
    words = words_of(first, n_tokens)
    merged = {arm: merge(one, words) for arm, one in maps.items()}
    header: dict[str, Any] = {
        "direction": direction,
        "arms": {arm: int(weights.shape[0]) for arm, weights in merged.items()},
        "atoms": int(next(iter(merged.values())).shape[1]),
    }
    header["n_words"] = len(words)
    if direction == FORWARD:
        header |= {
            "elements": list(first.elements),
            "words": [[w.text, int(w.special), int(w.space_before), w.category] for w in words],
            "labelled": first.tokens is not None,
            "truncated": bool(first.tokens and first.tokens.truncated),
            "structure": _structure(comparison, id, len(first.elements)),
        }
    return block(header, merged.values())


def block(header: Mapping[str, Any], arrays: Iterable[np.ndarray]) -> str:
    """The header and the quantised arrays as base64 of gzip."""
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    parts = [np.uint32(len(head)).astype("<u4").tobytes(), head]
    for array in arrays:
        scales, codes = quantise(array)
        parts += [scales.astype("<u2").tobytes(), codes.tobytes()]
    return base64.b64encode(gzip.compress(b"".join(parts), 6, mtime=0)).decode("ascii")


def quantise(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(heads, atoms, words) weights in 0 to 1 as row scales (heads, atoms) uint16 and codes of the same shape uint8."""
    clean = np.clip(np.nan_to_num(np.asarray(weights, np.float64)), 0.0, 1.0)
    scales = np.ceil(clean.max(axis=-1, initial=0.0) * 65535).astype(np.uint16)
    divisor = np.maximum(scales, 1)[..., None] / 65535
    return scales, np.rint(255 * np.sqrt(clean / divisor)).clip(0, 255).astype(np.uint8)


def merge(one: AttentionMap, words: Sequence[Word]) -> np.ndarray:
    """(heads, atoms, words): what an atom gives a word's tokens together, or what those tokens give an atom on average."""
    weights = np.asarray(one.weights, np.float64)
    if one.direction == FORWARD:
        return np.stack([weights[:, :, list(w.positions)].sum(-1) for w in words], axis=-1)
    return np.stack([weights[:, list(w.positions), :].mean(1) for w in words], axis=-1)


def words_of(one: AttentionMap, n_tokens: int) -> tuple[Word, ...]:
    """The description's words; numbered positions where the tokens are unknown or do not match the map."""
    words = merge_tokens(one.tokens, one.elements) if one.tokens is not None else ()
    if sum(len(w.positions) for w in words) != n_tokens:
        return tuple(Word(str(i + 1), (i,)) for i in range(n_tokens))
    return words


def _map(comparison: Any, id: str, arm: str, direction: str, run: int) -> AttentionMap | None:
    try:
        if run == 0:
            found = comparison.maps(id, arm, direction=direction)
        else:
            summary = next(a for a in comparison.result.arms if a.name == arm)
            if run >= len(summary.run_ids):
                return None
            one = next(r for r in comparison.runs[arm] if r.run_id == summary.run_ids[run])
            module, digest = comparison.result.module, summary.checkpoints[run]
            found = one.maps(id, checkpoint=digest, direction=direction, module=module, call=0)
    except AttnError:
        return None
    return found if found is not None and np.ndim(found.weights) == 3 and np.size(found.weights) else None


def _structure(comparison: Any, id: str, n_atoms: int) -> dict[str, Any] | None:
    try:
        found: Structure | None = comparison.structure(id)
    except (AttnError, KeyError, AttributeError):
        return None
    if found is None or len(found.frac_coords) != n_atoms:
        return None
    lattice = np.asarray(found.lattice, float)
    coords = np.asarray(found.frac_coords, float)
    if lattice.shape != (3, 3) or not (np.isfinite(lattice).all() and np.isfinite(coords).all()):
        return None
    return {"lattice": lattice.round(4).tolist(), "frac": coords.round(4).tolist()}
