"""What each attention of a host reads and what its axes mean, decided once a pass by evidence that holds in every batch.

A side is *atoms* or *tokens* when its length is what that modality's padding makes it (or its mask counts what the modality
counts) in every batch. Names of modules and arguments decide nothing; a side that nobody can name stays unnamed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch

from crysmm_attn_plugin.hooks.reading.layouts import Layout, candidates
from crysmm_attn_plugin.hooks.reading.watch import Lines, Seen
from crysmm_attn_plugin.records import Direction

ATOMS, TOKENS, OTHER = "atoms", "tokens", ""


@dataclass(frozen=True)
class Side:
    """What is known of one modality in one batch.

    Attributes:
        counts: Real entries of each crystal; None when unknown.
        widths: Lengths a padded axis of it may have.
        real: (crystals, width) bool, where the real entries stand, when they do not simply come first.
        special: Positions, among the real entries of each crystal, that a host may mask on purpose.
    """

    counts: Sequence[int] | None = None
    widths: frozenset[int] = frozenset()
    real: torch.Tensor | None = None
    special: Sequence[Sequence[bool]] | None = None

    @property
    def known(self) -> bool:
        return self.counts is not None or bool(self.widths)


@dataclass(frozen=True)
class Facts:
    """What is known of one batch.

    Attributes:
        n: Crystals in it.
        atoms, tokens: Its modalities.
        masks: (crystals, length) bool masks that stand in the batch, by their place in it, True where real.
    """

    n: int
    atoms: Side
    tokens: Side
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def side(self, label: str) -> Side:
        return self.atoms if label == ATOMS else self.tokens if label == TOKENS else Side()


@dataclass(frozen=True)
class Reading:
    """One hypothesis: a layout, and what queries and keys are."""

    layout: Layout
    queries: str
    keys: str

    @property
    def cross(self) -> bool:
        return {self.queries, self.keys} == {ATOMS, TOKENS}

    @property
    def named(self) -> int:
        return bool(self.queries) + bool(self.keys)

    @property
    def direction(self) -> Direction:
        if not self.cross:
            return ""
        return "atom_to_text" if self.queries == ATOMS else "text_to_atom"


@dataclass
class Map:
    """One call's attention of one batch, (crystals, heads, queries, keys), with what the host masked.

    Attributes:
        weights: After the softmax.
        key_mask: (crystals, keys) bool, True where the host let some query look; None when it masked nothing.
        query_mask: (crystals, queries) bool, True where the host did not mask the whole row; None likewise.
    """

    weights: torch.Tensor
    key_mask: torch.Tensor | None
    query_mask: torch.Tensor | None


#: Real keys and queries as masks show them, and whether every head shows the same; see ``evidence``.
Shown = tuple[torch.Tensor | None, torch.Tensor | None, bool]


@dataclass(eq=False)
class Site:
    """One place in a host's code where attention is formed, followed over a pass.

    Attributes:
        module: Qualified name of the module whose code it is in.
        lines: Where in that code.
        heads: Heads of a module whose arithmetic is known (``nn.MultiheadAttention``, which merges crystals before heads).
        alive: Hypotheses that hold in every batch so far; None before the first.
        batches, biggest: Batches seen, and crystals in the biggest.
        shape, shapes: Of the latest map, and of all so far, keys last.
        anything: Atoms or tokens were known in some batch.
    """

    module: str
    lines: Lines
    heads: int = 0
    alive: list[Reading] | None = None
    batches: int = 0
    biggest: int = 0
    shape: tuple[int, ...] = ()
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    anything: bool = False
    _single: bool = True
    _square: bool = True

    # -- evidence ------------------------------------------------------------------------------------------

    def learn(self, items: Sequence[Seen], facts: Facts) -> None:
        """Keep the hypotheses that hold in this batch too."""
        self.batches += 1
        self.biggest = max(self.biggest, facts.n)
        values = [keys_last(i, outline=True) for i in items]
        self.shape = tuple(values[0][0].shape)
        self.shapes |= {tuple(v.shape) for v, _ in values}
        self.anything |= facts.atoms.known or facts.tokens.known
        self._single &= all(v.shape[-1] == 1 for v, _ in values)
        self._square &= all(v.shape[-1] == v.shape[-2] for v, _ in values)
        if self.alive is None:
            labels = (ATOMS, TOKENS, OTHER)
            start = [
                Reading(layout, q, k)
                for layout in candidates(self.shape, facts.n)
                if not self.heads
                or layout.kind == "axes"
                or (layout.kind, layout.heads) == ("bh", self.heads)
                for q, k in product(labels, labels)
            ]
        else:
            start = self.alive
        shown = [i.shown for i in items]
        self.alive = [r for r in start if self._holds(r, values, facts, shown)]

    def strength(self, items: Sequence[Seen], facts: Facts) -> tuple[bool, int, bool]:
        """How well these maps make up a batch: atoms against tokens, sides named, crystals first as convention has it."""
        trial = Site(self.module, self.lines, self.heads, None if self.alive is None else list(self.alive))
        trial.learn(items, facts)
        return max(
            ((r.cross, r.named, r.layout.order[0] <= 0) for r in trial.alive or ()), default=(False, 0, False)
        )

    def _holds(
        self,
        reading: Reading,
        values: Sequence[tuple[torch.Tensor, torch.Tensor | None]],
        facts: Facts,
        shown: Sequence[dict[Any, Shown]],
    ) -> bool:
        calls = group(reading, [v.shape for v, _ in values], facts)
        if calls is None:
            return False
        for call in calls:
            for index, first, count in call:
                value, masked = values[index]
                here = slice(first, first + count)
                sizes = _sizes(reading, facts, here)
                flat = reading.layout.kind == "flat"
                if flat and reading.queries == OTHER:
                    return False
                keys, queries, alike = _shown(shown[index], reading.layout, masked, sizes)
                # heads may look at parts of a crystal, but all of them together at all of it and at no padding
                if not alike and not _counted(facts, reading.keys, here, value.shape[-1], keys):
                    return False
                if reading.keys == OTHER and keys is not None and not bool(keys.any(-1).all()):
                    return False  # what nobody can name hides no crystal whole: parts of an attention do
                # the queries of a flat layout are counted where maps are put together
                length = _query_length(reading.layout, value.shape)
                if not flat and not _fits(
                    facts.side(reading.queries), reading.queries, here, length, queries
                ):
                    return False
                if not _fits(facts.side(reading.keys), reading.keys, here, value.shape[-1], keys):
                    return False
        return True

    # -- the decision --------------------------------------------------------------------------------------

    @property
    def decision(self) -> Reading | str:
        """The reading to use, or why there is none: ``single_key``, ``self``, ``pooling``, ``gate``, ``ambiguous``, ``unrelated``, ``layout``."""
        alive = self.alive or []
        if not alive:
            return "layout"
        cross = [r for r in alive if r.cross]
        same = [r for r in alive if r.queries == r.keys and r.queries != OTHER]
        if self._single:
            return "single_key"
        if same and not cross:
            return "self"
        if cross:
            directions = {r.direction for r in cross}
            if same or len(directions) > 1:
                return "ambiguous"
            return self._one_layout(cross)
        halves = [r for r in alive if r.named == 1]
        if not halves and (self.anything or self._square):
            return "unrelated"
        chosen = self._one_layout(halves or alive)
        if (
            isinstance(chosen, Reading)
            and chosen.queries == OTHER
            and all(_query_length(chosen.layout, s) == 1 for s in self.shapes)
        ):
            return "pooling"
        return "gate" if isinstance(chosen, Reading) and self._gates(chosen) else chosen

    def _gates(self, reading: Reading) -> bool:
        """Whether a named side's entries are spread over as many unnamed ones in every batch, without heads: experts, classes."""
        without_heads = reading.layout.kind in ("axes", "flat") and reading.layout.order[1] < 0
        return (
            reading.keys == OTHER != reading.queries
            and without_heads
            and len({s[-1] for s in self.shapes}) == 1
        )

    @property
    def layout(self) -> Layout | None:
        """The layout that goes on, whatever the sides are; None when several would give different numbers."""
        chosen = self._one_layout([r for r in self.alive or () if r.named == 2])
        return chosen.layout if isinstance(chosen, Reading) else None

    def _one_layout(self, readings: list[Reading]) -> Reading | str:
        """The reading convention prefers, unless another layout would give other numbers and nothing speaks against it."""
        if not readings:
            return "layout"
        first = readings[0]
        if self.biggest <= 1 or self.heads:
            return first
        rivals = {r.layout for r in readings} - {first.layout}
        if first.layout.kind == "bh" and any(
            r.kind == "hb" and r.heads == first.layout.heads for r in rivals
        ):
            return "layout"
        if first.layout.kind in ("bh", "hb") and any(r.kind == first.layout.kind for r in rivals):
            return "layout"
        return first


def keys_last(item: Seen, *, outline: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights and masked positions with the keys' axis last; axes of length one beyond four are dropped.

    Args:
        item: The call.
        outline: The weights' shape will do, their numbers are not looked at.
    """
    weights, masked = (item.outline if outline else item.weights).movedim(item.axis, -1), item.masked
    masked = None if masked is None else masked.expand(item.shape).movedim(item.axis, -1)
    while weights.ndim > 4:
        empty = next((i for i in range(1, weights.ndim - 1) if weights.shape[i] == 1), None)
        if empty is None:
            break
        weights = weights.squeeze(empty)
        masked = None if masked is None else masked.squeeze(empty)
    return weights, masked


def group(
    reading: Reading, shapes: Sequence[Sequence[int]], facts: Facts
) -> list[list[tuple[int, int, int]]] | None:
    """Maps of one batch put together: calls of (map, first crystal, crystals); None when they do not add up.

    A call may come in several maps (micro-batches, one crystal a call); a place may be called several times a batch.
    """
    calls: list[list[tuple[int, int, int]]] = []
    current: list[tuple[int, int, int]] = []
    done = 0
    sizes = facts.side(reading.queries).counts
    for index, shape in enumerate(shapes):
        count = reading.layout.crystals(shape, sizes, done)
        if not count or done + count > facts.n:
            return None
        current.append((index, done, count))
        done += count
        if done == facts.n:
            calls.append(current)
            current, done = [], 0
    return calls if calls and not current else None


def maps_of(reading: Reading, items: Sequence[Seen], facts: Facts) -> list[Map] | None:
    """The calls of one batch as a decided reading has them; None when they do not add up."""
    values = [keys_last(i) for i in items]
    calls = group(reading, [v.shape for v, _ in values], facts)
    if calls is None:
        return None
    found = []
    for call in calls:
        parts = []
        for index, first, count in call:
            value, masked = values[index]
            sizes = _sizes(reading, facts, slice(first, first + count))
            weights = reading.layout.arranged(value, sizes)
            keys, queries, _ = _shown(items[index].shown, reading.layout, masked, sizes)
            parts.append((weights, keys, queries))
        found.append(_joined(parts))
    return found


def real_positions(
    side: Side, shown: torch.Tensor | None, length: int, device: torch.device
) -> torch.Tensor | None:
    """(crystals, length) mask of real entries of a side: as the host masked them, else where they are known to stand.

    Args:
        side: What is known of the modality.
        shown: The host's own mask; believed when it counts what the modality counts, or when nothing else is known.
        length: Of the axis.
        device: Of the map.

    Returns:
        None when nobody knows.
    """
    if side.counts is None:
        return shown
    if shown is not None and shown.sum(-1).tolist() == list(side.counts):
        return shown
    if side.real is not None and side.real.shape[1] == length:
        return side.real.to(device)
    counts = torch.tensor(list(side.counts), device=device)
    return torch.arange(length, device=device)[None, :] < counts[:, None]


def _joined(parts: list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]]) -> Map:
    if len(parts) == 1:
        return Map(*parts[0])
    q = max(w.shape[2] for w, _, _ in parts)
    k = max(w.shape[3] for w, _, _ in parts)
    weights, keys, queries = [], [], []
    for w, key, query in parts:
        pad = (0, k - w.shape[3], 0, q - w.shape[2])
        weights.append(torch.nn.functional.pad(w, pad))
        full_key = (
            torch.ones(w.shape[0], w.shape[3], dtype=torch.bool, device=w.device) if key is None else key
        )
        full_query = (
            torch.ones(w.shape[0], w.shape[2], dtype=torch.bool, device=w.device) if query is None else query
        )
        keys.append(torch.nn.functional.pad(full_key, pad[:2]))
        queries.append(torch.nn.functional.pad(full_query, pad[2:]))
    return Map(torch.cat(weights), torch.cat(keys), torch.cat(queries))


def _shown(
    known: dict[Any, Shown], layout: Layout, masked: torch.Tensor | None, sizes: list[int] | None
) -> Shown:
    """``evidence`` of one map in a layout, found once: what masks show does not depend on what the sides are called."""
    key = (layout, None if sizes is None else tuple(sizes))
    if key not in known:
        known[key] = evidence(None if masked is None else layout.arranged(masked, sizes))
    return known[key]


def evidence(hidden: torch.Tensor | None) -> Shown:
    """Which keys and queries the host let take part, from where it masked scores.

    Args:
        hidden: (crystals, heads, queries, keys) bool, True where a score was masked.

    Returns:
        (crystals, keys) and (crystals, queries) bool, True where some head lets them take part, each None where nothing was
        masked; and whether all heads of every crystal hide the same places.
    """
    if hidden is None:
        return None, None, True
    alike = True
    if hidden.device.type == "cpu":
        array = hidden.numpy()
        # crystal by crystal, so that what is compared stays in the processor's cache
        alike = array.shape[1] == 1 or all((crystal[1:] == crystal[:1]).all() for crystal in array)
        first = (hidden[:, 0] if alike else hidden.all(1)).numpy()
        rows, keys = first.all(-1), torch.from_numpy(~first.all(1))
        rows &= ~rows.all(-1, keepdims=True)  # of a crystal without any key nothing is said
        some, whole_row = bool(first.any()), torch.from_numpy(rows) if rows.any() else None
    else:
        alike = hidden.shape[1] == 1 or torch.equal(hidden, hidden[:, :1].expand_as(hidden))
        one = hidden[:, 0] if alike else hidden.all(1)
        some, keys, whole_row = bool(one.any()), ~one.all(1), one.all(-1)
        whole_row &= ~whole_row.all(-1, keepdim=True)
    if not some:
        return None, None, alike
    return keys, None if whole_row is None or not whole_row.any() else ~whole_row, alike


def some_number(weights: torch.Tensor) -> bool:
    """Whether some weight is a number; the first one says so as a rule."""
    if weights.numel() and weights.device.type == "cpu" and math.isfinite(weights[(0,) * weights.ndim]):
        return True
    return bool(torch.isfinite(weights).any())


def _sizes(reading: Reading, facts: Facts, here: slice) -> list[int] | None:
    counts = facts.side(reading.queries).counts
    return None if counts is None or reading.layout.kind != "flat" else list(counts[here])


def _query_length(layout: Layout, shape: Sequence[int]) -> int:
    if layout.kind in ("bh", "hb"):
        return int(shape[1])
    return int(shape[layout.order[2]]) if layout.order[2] >= 0 else 1


def _fits(side: Side, label: str, here: slice, length: int, shown: torch.Tensor | None) -> bool:
    """Whether an axis of ``length`` (with the mask it shows) can be this modality for these crystals."""
    if label == OTHER:
        return True
    if not side.known:
        return False
    counts = None if side.counts is None else list(side.counts[here])
    if counts is None:
        return length in side.widths
    if max(counts) > length:
        return False
    width_fits = length == max(counts) or length in side.widths
    if shown is None:
        return width_fits
    # a crystal of which all is hidden, as one without a word, says nothing of its counts
    seen = shown.sum(-1).tolist()
    if any(seen) and all(s in (0, n) for s, n in zip(seen, counts)):
        return True
    if not width_fits:
        return False
    return _masked_on_purpose(side, here, length, shown, counts)


def _counted(facts: Facts, label: str, here: slice, length: int, shown: torch.Tensor | None) -> bool:
    """Whether what is not hidden is exactly what this modality counts, or where nobody counts it a mask of the batch's own."""
    if label == OTHER:
        return False
    crystals = here.stop - here.start
    real = torch.ones(crystals, length, dtype=torch.bool) if shown is None else shown.cpu()
    counts = facts.side(label).counts
    if counts is not None:
        return bool(real.sum(-1).tolist() == list(counts[here]))
    return any(torch.equal(m[here], real) for m in facts.masks.values() if m.shape[1] == length)


def _masked_on_purpose(side: Side, here: slice, length: int, shown: torch.Tensor, counts: list[int]) -> bool:
    """Whether what is hidden beyond padding is special tokens alone."""
    if side.special is None:
        return False
    for i, n in enumerate(counts):
        crystal = here.start + i
        row = shown[i]
        places = (
            side.real[crystal].nonzero().flatten()
            if side.real is not None and side.real.shape[1] == length
            else torch.arange(n, device=row.device)
        ).to(row.device)
        allowed = torch.zeros(length, dtype=torch.bool, device=row.device)
        allowed[places] = True
        if bool((row & ~allowed).any()):
            return False
        hidden = ~row[places]
        special = torch.tensor(list(side.special[crystal]), dtype=torch.bool, device=row.device)
        if special.shape != hidden.shape or bool((hidden & ~special).any()):
            return False
    return True
