"""One pass over one loader, read batch by batch: what the host's attention looked at, and who was in the batch.

The first batches are kept until it is decided what each attention reads; from then on every batch is handed over at once,
and must still agree.
"""

from __future__ import annotations

import sys
import weakref
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError, IdentityError
from crysmm_attn_plugin.hooks.digests import unwrapped_name
from crysmm_attn_plugin.hooks.reading import calls as outermost
from crysmm_attn_plugin.hooks.reading.frames import has_parameters, root_of
from crysmm_attn_plugin.hooks.reading.identity import BatchInputs
from crysmm_attn_plugin.hooks.reading.outputs import ModuleCall, OuterCall, belongs, outer_call, prediction_of
from crysmm_attn_plugin.hooks.reading.projections import LinearWatch, Projections, find_projections
from crysmm_attn_plugin.hooks.reading.sites import (
    OTHER,
    Facts,
    Reading,
    Site,
    maps_of,
    real_positions,
)
from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerWatch, known_tokenizers
from crysmm_attn_plugin.hooks.reading.watch import Lines, Seen, Watch
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity

#: Batches of several crystals after which it is decided what an attention reads, and bytes of maps that may wait for it.
BATCHES_BEFORE, BYTES_BEFORE = 4, 64 * 2**20
#: Batches remembered for loops that fetch ahead of the model.
KEPT_AHEAD = 64
#: Outermost calls of a batch whose arguments are looked at for token ids.
GIVEN = 4

Identify = Callable[[BatchInputs], tuple[BatchIdentity, Facts]]


@dataclass
class Group:
    """What happened while one batch was at work."""

    inputs: BatchInputs | None
    items: dict[Site, list[Seen]] = field(default_factory=dict)
    outer: list[OuterCall] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)
    raised: bool = False

    @property
    def empty(self) -> bool:
        return not self.items and not self.outer


@dataclass
class ReadBatch:
    """One batch as it is handed over.

    Attributes:
        identity: Who is in it.
        calls: Its attention, masks filled in as far as anybody knows them.
        prediction: (crystals,) raw output of the model, or None.
        without_mask: Modules whose keys were padded without a mask of the host's.
        baseline: The same calls with fresh random projections, as far as a baseline is wanted and can be had.
    """

    identity: BatchIdentity
    calls: list[AttentionCall]
    prediction: torch.Tensor | None
    without_mask: set[str] = field(default_factory=set)
    baseline: list[AttentionCall] = field(default_factory=list)


@dataclass
class _Waiting:
    identity: BatchIdentity
    facts: Facts
    items: dict[Site, list[Seen]]
    prediction: torch.Tensor | None


class PassReader:
    """Reads a pass. Its listener methods never raise; what goes wrong is raised by ``take``.

    Args:
        loader: The loader; its data set and collate function are looked at.
        identify: Says who is in a batch, and its facts.
        model: The model whose forward takes the batches, where somebody named it.
        tokenizers: Sees tokenizer calls, those of the data set and the collate function included.
        baseline_crystals: Crystals for which the same attention with fresh projections is wanted.
        read_attention: Asked for the weights of outermost calls of a batch in which no attention was seen.

    Attributes:
        sites: Every place where attention was formed, in order.
        chosen: Site -> its reading, or why it is left out; empty until it is decided.
        n_batches, n_crystals: Batches and crystals the host's model has seen.
        gradients: Whether the host ran with gradients when attention was first formed; None before.
    """

    copies = True

    def __init__(
        self,
        loader: Any,
        identify: Identify,
        model: nn.Module | None = None,
        tokenizers: TokenizerWatch | None = None,
        baseline_crystals: int = 0,
        read_attention: Callable[[ModuleCall], torch.Tensor | None] | None = None,
    ) -> None:
        self._dataset = getattr(loader, "dataset", None)
        self._collate = getattr(loader, "collate_fn", None)
        self._identify = identify
        self._model = None if model is None else weakref.ref(model)
        self._tokenizers = tokenizers or TokenizerWatch()
        self._found_tokenizers: list[Any] | None = None
        self._tokenizers.start()
        self._watch = Watch(self)
        self._linears = LinearWatch()
        self._baseline_crystals = baseline_crystals
        self._read_attention = read_attention
        self._inputs: Any = ((), {})
        self._projections: dict[Site, Projections | None] = {}
        self._queue: list[BatchInputs] = []
        self._group: Group | None = None
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._error: Exception | None = None
        self._ready: list[ReadBatch] = []
        self._roots: dict[int, weakref.ref[nn.Module]] = {}
        self._names: dict[int, str] = {}
        self._known: dict[tuple[str, Lines, int], Site] = {}
        self._stop_frame = 0
        self._outer_number = 0
        self._usual_calls = 0
        self._ahead = False
        self._ended = False
        self.sites: list[Site] = []
        self.chosen: dict[Site, Reading | str] = {}
        self.n_batches = 0
        self.n_crystals = 0
        self.n_yielded = 0
        self.n_without_attention = 0
        self.gradients: bool | None = None
        self.training = False
        self.outer_names: dict[str, None] = {}
        self.outer_modules: dict[int, weakref.ref[nn.Module]] = {}
        self.lengths: dict[Site, set[tuple[int, int]]] = {}
        self.missing = 0
        self.n_hidden = 0
        self.ids_from = ""
        self.elements_unknown = 0
        self.n_without_prediction = 0

    # -- told by the loop ------------------------------------------------------------------------------------

    def yielded(self, batch: Any, positions: tuple[int, ...] | None, frame: Any = None) -> None:
        """A batch is handed to the host; ``frame`` is the one that asked for it."""
        self.n_yielded += 1
        self._stop_frame = id(frame)
        inputs = BatchInputs(batch, positions, self._dataset)
        self._queue.append(inputs)
        if len(self._queue) > 1:
            self._ahead = True
            del self._queue[:-KEPT_AHEAD]
        self._group = Group(None if self._ahead else inputs)
        self._start()

    def over(self) -> None:
        """The host asks for the next batch."""
        self._stop()
        self._close_group()
        self._tokenizers.next_batch()

    def ended(self) -> bool:
        """The loop is over; False when the model has yet to see batches that were fetched ahead."""
        if self._ahead and self._queue and self._error is None:
            self._ended = True
            self._group = Group(None)
            self._start()
            return False
        return True

    @property
    def finished(self) -> bool:
        """The loop is over and the model has seen every batch."""
        return self._ended and not self._queue

    def close(self) -> None:
        """Stop watching; what is at work is handed over."""
        self._stop()
        self._close_group()
        self._group = None
        self._tokenizers.stop()

    def abandon(self) -> None:
        """Stop watching and forget everything."""
        self._stop()
        self._group = None
        self._queue.clear()
        self._waiting.clear()
        self._ready.clear()
        self._tokenizers.stop()

    def _start(self) -> None:
        self._tokenizers.start()
        self._watch.start()
        outermost.start(self)
        if self.n_crystals < self._baseline_crystals:
            self._linears.start()

    def _stop(self) -> None:
        self._watch.stop()
        outermost.stop(self)
        self._linears.stop()

    # -- told while a batch is at work -----------------------------------------------------------------------

    def call_begins(self, module: nn.Module, inputs: Any) -> None:
        self._outer_number += 1
        group = self._group
        if self._read_attention is not None:
            self._inputs = inputs
        if group is not None and len(group.given) < GIVEN:
            group.given.append(inputs)
        if group is None or self._error is not None:
            return
        if self._ahead:
            try:
                self._match(inputs)
            except Exception as error:
                self.fault(error)

    def _match(self, inputs: Any) -> None:
        """Which of several waiting batches the model is called on: the one its inputs were made from."""
        group = self._group
        assert group is not None
        fits = [i for i in self._queue if belongs(i.batch, inputs)]
        if group.inputs is not None and (not fits or group.inputs in fits):
            return
        if len(fits) > 1:
            raise IdentityError(
                f"the host fetched {len(self._queue)} batches before it called the model, and the inputs fit several of "
                "them; iterate the loader without fetching ahead."
            )
        if not fits:
            return
        if group.inputs is not None:
            self._close_group()
            group = self._group = Group(None)
        group.inputs = fits[0]

    def call_ended(self, module: nn.Module, output: Any) -> None:
        group = self._group
        if group is None or self._error is not None:
            return
        try:
            self.outer_names.setdefault(type(getattr(module, "_orig_mod", module)).__name__)
            if id(module) not in self.outer_modules and has_parameters(module):
                self.outer_modules[id(module)] = weakref.ref(module)
            group.outer.append(outer_call(module, self._outer_number, output))
            if self._read_attention is not None:
                (args, kwargs), self._inputs = self._inputs, ((), {})
                group.calls.append(ModuleCall(type(module).__name__, module, args, kwargs, output))
        except Exception as error:
            self.fault(error)
        if self._ended and group.items and len(group.outer) >= max(self._usual_calls, 1):
            self._close_group()
            self._group = Group(None) if self._queue else None
            if self._group is None:
                self._stop()

    def call_raised(self, module: nn.Module) -> None:
        group = self._group
        if group is not None:  # the host's own forward raised: nothing of it counts
            group.items.clear()
            group.outer.clear()
            group.raised = True

    def wants(self, owner: nn.Module | None, lines: Lines, shape: torch.Size) -> bool:
        if self._group is None or self._error is not None or len(shape) < 2:
            return False
        if self.gradients is None:
            self.gradients = torch.is_grad_enabled()
        site = self._site(owner, lines, len(shape))
        return not isinstance(self.chosen.get(site), str)

    def seen(self, item: Seen) -> None:
        if self._group is None:
            return
        item.outer = self._outer_number
        site = self._site(item.owner, item.lines, item.weights.ndim)
        if self.n_crystals < self._baseline_crystals and self._projections.get(site, True) is not None:
            item.layers = self._linears.of(item.owner)
        item.owner = item.live = None  # nothing of the host's is kept
        self._group.items.setdefault(site, []).append(item)

    def hidden(self) -> None:
        self.n_hidden += 1

    def fault(self, error: Exception) -> None:
        self._error = self._error or error

    # -- which module is it ----------------------------------------------------------------------------------

    def _site(self, owner: nn.Module | None, lines: Lines, ndim: int) -> Site:
        key = (self._name(owner), lines, ndim)
        site = self._known.get(key)
        if site is None:
            heads = owner.num_heads if type(owner) is nn.MultiheadAttention else 0
            site = self._known[key] = Site(key[0], lines, heads)
            self.sites.append(site)
        return site

    def _name(self, owner: nn.Module | None) -> str:
        if owner is None:
            return "script"
        name = self._names.get(id(owner))
        if name is None:
            root = self._find_root(owner)
            if id(root) not in self._roots:
                self._roots[id(root)] = weakref.ref(root)
                self.training |= root.training
                for full, module in root.named_modules():
                    self._names.setdefault(id(module), unwrapped_name(full) or type(module).__name__)
            name = self._names.setdefault(id(owner), type(owner).__name__)
        return name

    def _find_root(self, owner: nn.Module) -> nn.Module:
        named = self._model() if self._model is not None else None
        if named is not None and any(m is owner for m in named.modules()):
            return named
        return root_of(sys._getframe(1), self._stop_frame) or owner

    @property
    def roots(self) -> list[nn.Module]:
        """The outermost modules whose code formed attention, as far as they still exist."""
        return [m for m in (r() for r in self._roots.values()) if m is not None]

    @property
    def readers(self) -> list[nn.Module]:
        """Modules whose weights decide what this pass gives: the roots, and others the host calls beside them.

        A copy of one (an average of its weights, say) is not one more.
        """
        chosen: list[nn.Module] = []
        called = [m for m in (r() for r in self.outer_modules.values()) if m is not None]
        for module in [*self.roots, *called]:
            inside = {id(m) for c in chosen for m in c.modules()}
            around = any(c in set(module.modules()) for c in chosen)
            names = [n for n, _ in module.named_parameters()]
            if id(module) in inside or around:
                continue
            if not any(
                type(c) is type(module) and [n for n, _ in c.named_parameters()] == names for c in chosen
            ):
                chosen.append(module)
        return chosen

    # -- one batch is over -----------------------------------------------------------------------------------

    def _close_group(self) -> None:
        group = self._group
        self._group = None
        if group is None or self._error is not None:
            return
        try:
            self._take_group(group)
        except Exception as error:
            self._error = error

    def _take_group(self, group: Group) -> None:
        if group.raised and not group.items:
            if group.inputs in self._queue:
                self._queue.remove(group.inputs)
            return
        if group.empty or (self._ahead and group.inputs is None):
            return  # nothing was called: the host fetches ahead, or skips this batch
        inputs = group.inputs
        assert inputs is not None
        if inputs in self._queue:  # batches before it were skipped
            del self._queue[: self._queue.index(inputs) + 1]
        self.n_batches += 1
        if not group.items and self._read_attention is not None:
            self._ask(group)
        if not group.items:
            self.n_without_attention += 1
        self._usual_calls = max(self._usual_calls, len(group.outer))
        inputs.seen_before = self.n_crystals
        inputs.tokenizer_calls = list(self._tokenizers.calls)
        inputs.tokenizers = self._known_tokenizers()
        inputs.given = group.given
        inputs.lengths = {n for items in group.items.values() for i in items for n in i.weights.shape}
        with torch.no_grad():
            identity, facts = self._identify(inputs)
            self.n_crystals += facts.n
            items = {}
            for site, found in group.items.items():
                if isinstance(self.chosen.get(site), str):
                    continue
                used = self._first_forward(group, site, found, facts)
                site.learn(used, facts)
                self._check(site)
                items[site] = used
                self._bytes += sum(i.weights.numel() * i.weights.element_size() for i in used)
            prediction = prediction_of(group.outer, {id(r) for r in self.roots}, facts.n)
            self._note_identity(identity, prediction)
            self._waiting.append(_Waiting(identity, facts, items, prediction))
            several = sum(w.facts.n > 1 for w in self._waiting)
            if self.chosen or several >= BATCHES_BEFORE or self._bytes > BYTES_BEFORE:
                self._hand_over()

    def _known_tokenizers(self) -> list[Any]:
        """Tokenizers seen at work, and those that data set, collate function and model hold on to."""
        if self._found_tokenizers is None:
            places = [self._dataset, self._collate, *self.roots]
            self._found_tokenizers = known_tokenizers(*(p for p in places if p is not None))
        return [*self._tokenizers.known(), *self._found_tokenizers]

    def _ask(self, group: Group) -> None:
        """Let plugins read what passes through neither primitive."""
        assert self._read_attention is not None
        for call in group.calls:
            weights = self._read_attention(call)
            if weights is not None:
                self._names.setdefault(id(call.module), call.name)
                if id(call.module) not in self._roots:
                    self._roots[id(call.module)] = weakref.ref(call.module)
                    self.training |= call.module.training
                lines = (("attn_read_attention", 0),)
                site = self._site(call.module, lines, weights.ndim)
                item = Seen(None, lines, weights.detach().clone(), weights.ndim - 1, None)
                group.items.setdefault(site, []).append(item)
        group.calls.clear()

    def _note_identity(self, identity: BatchIdentity, prediction: torch.Tensor | None) -> None:
        if identity.ids and all(i[:1] in "#~" for i in identity.ids):
            self.ids_from = identity.ids[0][0]
        self.elements_unknown += sum(e is None for e in identity.elements)
        self.n_without_prediction += 0 if prediction is not None else len(identity)

    def _first_forward(self, group: Group, site: Site, found: list[Seen], facts: Facts) -> list[Seen]:
        """Of a model called several times on a batch, the first call when that covers the batch (else micro-batches)."""
        roots = {id(r) for r in self.roots}
        rounds = [c.number for c in group.outer if c.module in roots]
        # what a host does with a part of its model beside the model (tracing it, say) is none of the pass
        found = [i for i in found if i.outer in rounds] or found
        if len(rounds) < 2:
            return found
        first = [i for i in found if i.outer == rounds[0]]
        if first and len(first) < len(found) and site.would_hold(first, facts):
            return first
        return found

    def _check(self, site: Site) -> None:
        reading = self.chosen.get(site)
        if isinstance(reading, Reading) and reading not in (site.alive or ()):
            raise CaptureError(
                f"what {site.module} reads in batch {self.n_batches} is not what it read before (it was taken for "
                f"{reading.queries or 'queries'} over {reading.keys or 'keys'}); its numbers are not kept"
            )

    # -- the decision ----------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        for site in self.sites:
            if site in self.chosen or site.alive is None:
                continue
            choice = site.decision
            if choice == "ambiguous":
                choice = Reading(site.layout, OTHER, OTHER) if site.layout is not None else "layout"
            if not site.finite:
                choice = "diverged" if isinstance(choice, Reading) else choice
            if isinstance(choice, Reading) and self._padding_unknown(site, choice, waiting):
                choice = "no_mask"
            self.chosen[site] = choice
            if isinstance(choice, Reading):
                site.alive = [choice]
        for one in waiting:
            self._ready.append(self._read(one))

    def _padding_unknown(self, site: Site, reading: Reading, waiting: list[_Waiting]) -> bool:
        """A side whose lengths nobody knows, that varies between padded batches and is never masked, hides its padding."""
        here = [(w, w.items[site]) for w in waiting if site in w.items]
        for label, of_keys in ((reading.queries, False), (reading.keys, True)):
            if label != OTHER and all(w.facts.side(label).counts is not None for w, _ in here):
                continue
            lengths, masked = set(), False
            for one, items in here:
                for found in maps_of(reading, items, one.facts) or ():
                    length = found.weights.shape[3 if of_keys else 2]
                    shown = found.key_mask if of_keys else found.query_mask
                    lengths.add(length)
                    side = one.facts.side(label)
                    masked |= (
                        real_positions(side, shown, length, found.weights.device, one.facts.masks) is not None
                    )
            if not masked and len(lengths) > 1 and site.biggest > 1:
                return True
        return False

    def _read(self, one: _Waiting) -> ReadBatch:
        read = ReadBatch(one.identity, [], one.prediction)
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
                masks = []
                for label, shown, length in (
                    (reading.queries, found.query_mask, queries),
                    (reading.keys, found.key_mask, keys),
                ):
                    side = one.facts.side(label)
                    masks.append(real_positions(side, shown, length, found.weights.device, one.facts.masks))
                if found.key_mask is None and masks[1] is not None and not bool(masks[1].all()):
                    read.without_mask.add(site.module)
                number = numbers[site.module, reading.direction]
                numbers[site.module, reading.direction] += 1
                call = AttentionCall(
                    site.module, number, reading.direction, found.weights, masks[0], masks[1]
                )
                read.calls.append(call)
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

    def take(self, *, last: bool = False) -> Iterator[ReadBatch]:
        """Batches that are ready.

        Args:
            last: The pass is over: what waits is decided on what there is.

        Raises:
            AttnError: What went wrong since the last time.
        """
        if last and self._waiting and self._error is None:
            try:
                self._hand_over()
            except Exception as error:
                self._error = error
        if self._error is not None:
            self._ready = []
            raise self._error
        ready, self._ready = self._ready, []
        yield from ready
