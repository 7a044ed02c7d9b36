"""What each attention of a pass is taken for: decided once the first batches are in, and checked in every batch after."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks.reading.atoms import NUMBER_NAMES
from crysmm_attn_plugin.hooks.reading.explain import clause
from crysmm_attn_plugin.hooks.reading.order import order_of
from crysmm_attn_plugin.hooks.reading.projections import Projections, find_projections
from crysmm_attn_plugin.hooks.reading.sites import (
    OTHER,
    Facts,
    Map,
    Reading,
    Site,
    maps_of,
    real_positions,
    some_number,
)
from crysmm_attn_plugin.hooks.reading.watch import Seen
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity

#: Batches of several crystals after which it is decided what an attention reads, and bytes of maps that may wait for it.
BATCHES_BEFORE, BYTES_BEFORE = 4, 64 * 2**20


@dataclass
class ReadBatch:
    """One batch as it is handed over.

    Attributes:
        identity: Who is in it.
        calls: Its attention, masks filled in as far as anybody knows them.
        prediction: (crystals,) raw output of the model, or None.
        without_mask: Modules whose keys were padded without a mask of the host's.
        baseline: The same calls with fresh random projections, as far as a baseline is wanted and can be had.
        sites: Where each of ``calls`` was formed.
        facts: What is known of its atoms and tokens.
    """

    identity: BatchIdentity
    calls: list[AttentionCall]
    prediction: torch.Tensor | None
    without_mask: set[str] = field(default_factory=set)
    baseline: list[AttentionCall] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    facts: Facts | None = None


@dataclass
class Waiting:
    """One batch before it is known what its attention is."""

    identity: BatchIdentity
    facts: Facts
    items: dict[Site, list[Seen]]
    prediction: torch.Tensor | None


@dataclass
class _Unknown:
    """A side whose lengths nobody counts: how long it was, whether it was ever masked, and which masks of the batch fit."""

    lengths: set[int] = field(default_factory=set)
    masked: bool = False
    names: set[str] | None = None

    def look(self, length: int, shown: torch.Tensor | None, facts: Facts) -> None:
        self.lengths.add(length)
        self.masked |= shown is not None
        fitting = {name for name, mask in facts.masks.items() if mask.shape[1] == length}
        self.names = fitting if self.names is None else self.names & fitting

    def told(self, several: bool) -> bool:
        """Whether padding can be told from data."""
        return self.masked or bool(self.names) or len(self.lengths) <= 1 or not several


class Decisions:
    """Gathers batches until it is decided what they hold, and turns each into attention calls.

    Attributes:
        chosen: Site -> its reading, or why it is left out; empty until it is decided.
        lengths: (queries, keys) of the maps of each site.
        missing: Calls that were expected and not seen.
        exchanged: The model was seen to look up the batch's crystals in another order.
        inside: Fields of the batch of which it looked up a crystal's entries in another order.
    """

    def __init__(self) -> None:
        self.chosen: dict[Site, Reading | str] = {}
        self.lengths: dict[Site, set[tuple[int, int]]] = {}
        self.missing = 0
        self.exchanged = False
        self.inside: set[str] = set()
        self._parts: dict[Site, list[Site]] = {}
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._ready: list[ReadBatch] = []
        self._projections: dict[Site, Projections | None] = {}
        self._unknown: dict[tuple[Site, bool], _Unknown] = {}

    def ignores(self, site: Site) -> bool:
        """Whether a site was decided to be of no use."""
        return isinstance(self.chosen.get(site), str)

    def wants_layers(self, site: Site) -> bool:
        """Whether a site's arithmetic is known or still to be found."""
        return self._projections.get(site, True) is not None

    def parted(self, site: Site, items: list[Seen]) -> list[tuple[Site, list[Seen]]]:
        """A batch's maps of one place, by what they are: several where one module is called in several roles.

        Raises:
            CaptureError: When it is called more or less often than before.
        """
        parts = self._parts.get(site)
        if parts is None:
            return [(site, items)]
        if len(parts) != len(items):
            raise CaptureError(
                f"{site.module} was called {len(items)} times on a batch and {len(parts)} times on those before, in roles "
                "that differ; its numbers are not kept"
            )
        return [(part, [item]) for part, item in zip(parts, items) if not self.ignores(part)]

    def add(self, one: Waiting, sites: list[Site]) -> None:
        """Take a batch; sites have learned from it.

        Raises:
            CaptureError: When an attention is not what it was taken for.
        """
        for site, items in one.items.items():
            reading = self.chosen.get(site)
            if isinstance(reading, Reading) and reading not in (site.alive or ()):
                raise CaptureError(
                    f"what {site.module} reads is no longer what it read before (it was taken for "
                    f"{reading.queries or 'queries'} over {reading.keys or 'keys'}); its numbers are not kept"
                )
            self._bytes += sum(t.numel() * t.element_size() for i in items for t in i.tensors)
        self._waiting.append(one)
        several = sum(w.facts.n > 1 for w in self._waiting)
        if self.chosen or several >= BATCHES_BEFORE or self._bytes > BYTES_BEFORE:
            self.decide(sites)

    def decide(self, sites: list[Site]) -> None:
        """Decide on what there is, and hand over what waits; ``sites`` gets the parts of those that have several roles."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        for site in [part for whole in list(sites) for part in self._with_parts(whole, waiting, sites)]:
            if site in self.chosen or site.alive is None or site in self._parts:
                continue
            choice = site.decision
            if choice == "ambiguous":
                choice = Reading(site.layout, OTHER, OTHER) if site.layout is not None else "layout"
            if isinstance(choice, Reading) and not all(
                some_number(i.weights) for one in waiting for i in one.items.get(site, ())
            ):
                choice = "diverged"
            if isinstance(choice, Reading):
                choice = self._doubt(site, choice, waiting) or choice
            self.chosen[site] = choice
            if isinstance(choice, Reading):
                site.alive = [choice]
        for one in waiting:
            self._ready.append(self._read(one))

    def _with_parts(self, site: Site, waiting: Sequence[Waiting], sites: list[Site]) -> list[Site]:
        """The site, or its calls one by one where only they hold together: one module that reads in several roles."""
        if site in self.chosen or site in self._parts or any(r.cross for r in site.alive or ()):
            return [site]
        seen = [(one, one.items[site]) for one in waiting if site in one.items]
        counts = {len(items) for _, items in seen}
        if len(counts) != 1 or counts == {1}:
            return [site]
        parts = [Site(site.module, site.lines, site.heads) for _ in seen[0][1]]
        for one, items in seen:
            for part, item in zip(parts, items):
                part.learn([item], one.facts)
        if not any(isinstance(p.decision, Reading) and p.decision.cross for p in parts):
            return [site]
        self._parts[site] = parts
        sites.extend(parts)
        for one, items in seen:
            del one.items[site]
            one.items.update({part: [item] for part, item in zip(parts, items)})
        return parts

    def take(self) -> list[ReadBatch]:
        """Batches that are ready."""
        ready, self._ready = self._ready, []
        return ready

    def forget(self) -> None:
        """Let everything go."""
        self._waiting.clear()
        self._ready.clear()

    # -- padding that nobody counts ----------------------------------------------------------------------------

    def _doubt(self, site: Site, reading: Reading, waiting: Sequence[Waiting]) -> str:
        """Why the maps are not to be believed although their lengths are right: ``order``, ``inside``, ``no_mask``; or empty."""
        in_order = False
        for one in waiting:
            for found in maps_of(reading, one.items[site], one.facts) or () if site in one.items else ():
                self._look(site, reading, found, one.facts)
                told = _order(reading, found, one.facts)
                if told is False:
                    return "order"
                in_order |= bool(told)
        if self.inside and (
            any(one.facts.tokens.counts is not None for one in waiting)
            or any(name.lower() in NUMBER_NAMES for name in self.inside)
        ):
            return "inside"
        if self.exchanged and not in_order and site.biggest > 1:
            return "order"
        told_apart = (u.told(site.biggest > 1) for (s, _), u in self._unknown.items() if s is site)
        return "" if all(told_apart) else "no_mask"

    def _look(self, site: Site, reading: Reading, found: Map, facts: Facts) -> None:
        for of_keys, label, shown, length in _sides(reading, found):
            if facts.side(label).counts is None:
                self._unknown.setdefault((site, of_keys), _Unknown()).look(length, shown, facts)

    def _mask(
        self,
        site: Site,
        of_keys: bool,
        label: str,
        shown: torch.Tensor | None,
        length: int,
        found: Map,
        facts: Facts,
    ) -> torch.Tensor | None:
        side = facts.side(label)
        device = found.weights.device
        if side.counts is not None or shown is not None:
            return real_positions(side, shown, length, device)
        unknown = self._unknown[site, of_keys]
        if not unknown.told(site.biggest > 1):
            raise CaptureError(
                f"padding of {site.module} can no longer be told from data; its numbers are not kept"
            )
        fitting = [facts.masks[n] for n in sorted(unknown.names or ()) if n in facts.masks]
        if not fitting:
            return None
        if any(not torch.equal(m, fitting[0]) for m in fitting[1:]):
            raise CaptureError(
                f"several masks of the batch have the length of {site.module}'s {'keys' if of_keys else 'queries'}, and they "
                "differ; its numbers are not kept"
            )
        return fitting[0].to(device)

    # -- one batch -----------------------------------------------------------------------------------------------

    def _read(self, one: Waiting) -> ReadBatch:
        read = ReadBatch(one.identity, [], one.prediction, facts=one.facts)
        numbers: Counter[tuple[str, str]] = Counter()
        expected = {s for s, c in self.chosen.items() if isinstance(c, Reading)}
        self.missing += len(expected - set(one.items))
        for site, items in one.items.items():
            reading = self.chosen[site]
            if not isinstance(reading, Reading):
                continue
            maps = maps_of(reading, items, one.facts)
            if maps is None:
                raise CaptureError(
                    f"the maps of {site.module} do not add up to the batch's {one.facts.n} crystals"
                )
            for found in maps:
                _, _, queries, keys = found.weights.shape
                self.lengths.setdefault(site, set()).add((queries, keys))
                self._look(site, reading, found, one.facts)
                if _order(reading, found, one.facts) is False:
                    raise CaptureError(f"{site.module} {clause('order')}; its numbers are not kept")
                query_mask, key_mask = (
                    self._mask(site, of_keys, label, shown, length, found, one.facts)
                    for of_keys, label, shown, length in _sides(reading, found)
                )
                if found.key_mask is None and key_mask is not None and not bool(key_mask.all()):
                    read.without_mask.add(site.module)
                number = numbers[site.module, reading.direction]
                numbers[site.module, reading.direction] += 1
                call = AttentionCall(
                    site.module, number, reading.direction, found.weights, query_mask, key_mask
                )
                read.calls.append(call)
                read.sites.append(site)
                fresh = self._fresh(site, items, call)
                if fresh is not None:
                    read.baseline.append(replace(call, weights=fresh))
        return read

    def _fresh(self, site: Site, items: list[Seen], call: AttentionCall) -> torch.Tensor | None:
        """The call with fresh projections, where its arithmetic is known."""
        layers = items[0].layers
        if len(items) != 1 or not layers:
            return None
        if site not in self._projections:
            seed = zlib.crc32(f"{site.module} {call.direction}".encode())
            self._projections[site] = find_projections(layers, call.weights, seed)
        known = self._projections[site]
        return None if known is None else known.weights(layers, call.weights)


def _sides(
    reading: Reading, found: Map
) -> tuple[tuple[bool, str, torch.Tensor | None, int], tuple[bool, str, torch.Tensor | None, int]]:
    """Queries, then keys: (of keys, label, the host's own mask, length)."""
    return (
        (False, reading.queries, found.query_mask, found.weights.shape[2]),
        (True, reading.keys, found.key_mask, found.weights.shape[3]),
    )


def _order(reading: Reading, found: Map, facts: Facts) -> bool | None:
    """Whether the masks of a map count the crystals in the batch's order; None when they do not tell."""
    told = [order_of(shown, label, facts) for _, label, shown, _ in _sides(reading, found)]
    return False if False in told else True in told or None
