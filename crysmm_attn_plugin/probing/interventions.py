"""What is done to the attention of a batch: which keys are hidden, which maps are put in their place."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crysmm_attn_plugin.probing.units import Units
from crysmm_attn_plugin.records import AttentionCall

#: A crystal's weights and scores of one call, (heads, rows, keys), and the call's number; returns other weights.
Edit = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Intervention:
    """One extra pass over one batch.

    Attributes:
        name: As stored: ``knock_out_most``, ``knock_out_random``, ``keep_most``, ``keep_random``, ``uniform``, ``swap``,
            ``own_element``, ``own_element_random``, ``head``.
        edits: Per crystal what is done to its maps; None where it cannot be done.
        size: Words (or atoms) that are hidden or kept; 0 where that says nothing.
        draw: Which random choice.
        call: The call whose head is ablated; -1 for all calls of the direction.
        head: The head that is ablated; -1 for all.
    """

    name: str
    edits: Sequence[Edit | None]
    size: int = 0
    draw: int = 0
    call: int = -1
    head: int = -1


def planned(
    wanted: Sequence[str],
    calls: Sequence[tuple[int, AttentionCall]],
    units: Sequence[Units | None],
    ids: Sequence[str],
    donors: Sequence[Donor | None],
    *,
    sizes: Sequence[int],
    draws: int,
    seed: int,
) -> Iterator[Intervention]:
    """Every extra pass over one batch.

    Args:
        wanted: Of ``INTERVENTIONS``.
        calls: (number, call) of one direction.
        units: Of each crystal.
        ids: Of the crystals: a crystal's random words are the same in every run.
        donors: Of each crystal the maps that are swapped in.
        sizes: Numbers of words.
        draws: Random choices a size.
        seed: Of the random choices.
    """
    for size in sizes:
        for most, random, kept in (
            ("knock_out_most", "knock_out_random", False), ("keep_most", "keep_random", True),
        ):  # fmt: skip
            if ("keep_only" if kept else "knock_out") not in wanted:
                continue
            chosen = [_most(u, size) for u in units]
            yield Intervention(most, _hiding(units, chosen, kept), size)
            for draw in range(draws):
                chosen = [_drawn(u, size, _rng(seed, i, size, draw)) for u, i in zip(units, ids)]
                yield Intervention(random, _hiding(units, chosen, kept), size, draw)
    if "uniform" in wanted:
        yield Intervention("uniform", [None if u is None else _even(u) for u in units])
    if "swap" in wanted:
        yield Intervention(
            "swap", [None if u is None or d is None else d.given_to(u) for u, d in zip(units, donors)]
        )
    if "own_element" in wanted:
        yield Intervention("own_element", [_own(u) for u in units])
        for draw in range(draws):
            edits = [_own(u, _rng(seed, i, 0, draw)) for u, i in zip(units, ids)]
            yield Intervention("own_element_random", edits, 0, draw)
    if "heads" in wanted:
        for number, call in calls:
            for head in range(call.weights.shape[1]):
                edits = [None if u is None else _even(u, number, head) for u in units]
                yield Intervention("head", edits, call=number, head=head)


def _rng(seed: int, crystal: str, size: int, draw: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(crystal.encode()), size, draw])


def _most(units: Units | None, size: int) -> np.ndarray | None:
    return None if units is None or size >= len(units.members) else units.ranked[:size]


def _drawn(units: Units | None, size: int, rng: np.random.Generator) -> np.ndarray | None:
    return None if units is None or size >= len(units.members) else rng.permutation(len(units.members))[:size]


def _hiding(
    units: Sequence[Units | None], chosen: Sequence[np.ndarray | None], kept: bool
) -> list[Edit | None]:
    edits: list[Edit | None] = []
    for unit, which in zip(units, chosen):
        if unit is None or which is None:
            edits.append(None)
            continue
        inside = np.unique(np.concatenate([unit.members[i] for i in which]))
        left = inside if kept else np.setdiff1d(unit.keys, inside)
        edits.append(_only(unit, left) if len(left) else None)
    return edits


def _only(unit: Units, left: np.ndarray) -> Edit:
    """All rows read these keys alone, renormalised: the scores of the others are minus infinity."""

    def edit(_: int, weights: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        allowed = torch.zeros(weights.shape[-1], dtype=torch.bool, device=weights.device)
        allowed[torch.as_tensor(left, device=weights.device)] = True
        return _renormalised(scores, weights, allowed.expand_as(weights))

    return edit


def _renormalised(scores: torch.Tensor, weights: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Softmax over the allowed keys; rows without any stay as they are."""
    hidden = scores.float().masked_fill(~allowed, float("-inf"))
    found = torch.softmax(hidden, -1).to(weights.dtype)
    some = torch.isfinite(hidden).any(-1, keepdim=True)
    return torch.where(
        some & torch.isfinite(found), found, torch.where(some, torch.zeros_like(found), weights)
    )


def _even(unit: Units, number: int = -1, head: int = -1) -> Edit:
    """The same weight on every real key: in all heads of all calls, or in one head of one call."""

    def edit(call: int, weights: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        if number not in (-1, call):
            return weights
        even = torch.zeros_like(weights)
        even[..., torch.as_tensor(unit.keys, device=weights.device)] = 1.0 / len(unit.keys)
        if head < 0:
            return even
        found = weights.clone()
        found[head] = even[head]
        return found

    return edit


def _own(unit: Units | None, rng: np.random.Generator | None = None) -> Edit | None:
    """Each row without the mentions of its own element, or without as many other words' tokens, drawn for each element."""
    if unit is None or unit.own is None or not unit.own.any() or len(unit.rows) != len(unit.own):
        return None
    words = np.concatenate(unit.members)
    hidden = unit.own.copy()
    if rng is not None:
        drawn: dict[bytes, np.ndarray] = {}
        for row in range(len(hidden)):
            pattern = unit.own[row].tobytes()
            if pattern not in drawn:
                others = np.setdiff1d(words, np.flatnonzero(unit.own[row]))
                if len(others) < unit.own[row].sum():
                    return None
                line = np.zeros(hidden.shape[1], bool)
                line[rng.choice(others, int(unit.own[row].sum()), replace=False)] = True
                drawn[pattern] = line
            hidden[row] = drawn[pattern]
    real = np.zeros(hidden.shape[1], bool)
    real[unit.keys] = True
    if not (real & ~hidden).any(1).all():
        return None
    allowed_rows = torch.as_tensor(real & ~hidden, device="cpu")

    def edit(_: int, weights: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        allowed = torch.ones(weights.shape[-2:], dtype=torch.bool, device=weights.device)
        allowed[torch.as_tensor(unit.rows, device=weights.device)] = allowed_rows.to(weights.device)
        return _renormalised(scores, weights, allowed.expand_as(weights))

    return edit


@dataclass(frozen=True)
class Donor:
    """Maps of the crystal before in the pass.

    Attributes:
        maps: Number of the call -> (heads, rows, keys) real cells.
    """

    maps: dict[int, torch.Tensor]

    def given_to(self, unit: Units) -> Edit:
        """These maps over another crystal's real rows and keys: the same where sizes agree, else resampled to them."""

        def edit(call: int, weights: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            given = self.maps.get(call)
            if given is None or given.shape[0] != weights.shape[0]:
                return weights
            rows, keys = (torch.as_tensor(a, device=weights.device) for a in (unit.rows, unit.keys))
            part = given[:, _nearest(len(rows), given.shape[1])][..., _nearest(len(keys), given.shape[2])]
            part = part / part.sum(-1, keepdim=True).clamp_min(1e-12)
            found = weights.clone()
            whole = torch.zeros(
                weights.shape[0], len(rows), weights.shape[-1], dtype=weights.dtype, device=weights.device
            )
            whole[..., keys] = part.to(weights)
            found[:, rows] = whole
            return found

        return edit


def donors_of(
    calls: Sequence[tuple[int, AttentionCall]], units: Sequence[Units | None], before: Donor | None
) -> tuple[list[Donor | None], Donor | None]:
    """For each crystal of a batch the crystal before it, and the last one, for the batch after."""
    found: list[Donor | None] = [before]
    for b, unit in enumerate(units):
        if unit is None:
            found.append(None)
            continue
        rows, keys = (torch.as_tensor(a, device="cpu") for a in (unit.rows, unit.keys))
        maps = {
            n: c.weights[b][:, rows.to(c.weights.device)][..., keys.to(c.weights.device)].clone()
            for n, c in calls
        }
        found.append(Donor(maps))
    return found[:-1], found[-1]


def _nearest(wanted: int, there: int) -> torch.Tensor:
    """For each of ``wanted`` places the place among ``there`` that stands at the same share of the way."""
    return torch.tensor(
        [min(int((i + 0.5) * there / wanted), there - 1) for i in range(wanted)], device="cpu"
    )
