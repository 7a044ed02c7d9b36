"""One pass over one loader, read batch by batch: what the host's attention looked at, and who was in the batch.

The first batches are kept until it is decided what each attention reads; from then on every batch is handed over at once,
and must still agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.errors import IdentityError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading import calls as outermost
from crysmm_attn_plugin.hooks.reading.deciding import Decisions, ReadBatch, Waiting
from crysmm_attn_plugin.hooks.reading.frames import mark_of
from crysmm_attn_plugin.hooks.reading.identity import BatchInputs, order_label
from crysmm_attn_plugin.hooks.reading.naming import Naming
from crysmm_attn_plugin.hooks.reading.order import OrderWatch
from crysmm_attn_plugin.hooks.reading.outputs import (
    ModuleCall,
    OuterCall,
    belongs,
    outer_call,
    prediction_of,
)
from crysmm_attn_plugin.hooks.reading.projections import LinearWatch
from crysmm_attn_plugin.hooks.reading.sites import Facts, Site
from crysmm_attn_plugin.hooks.reading.streams import Streams
from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerWatch, known_tokenizers
from crysmm_attn_plugin.hooks.reading.watch import Hidden, Lines, Seen, Watch
from crysmm_attn_plugin.records import BatchIdentity

#: Batches remembered for loops that fetch ahead of the model.
KEPT_AHEAD = 64
#: Outermost calls of a batch whose arguments are looked at for token ids.
GIVEN = 4
#: Batches at the beginning of a pass for which it is watched whether the model exchanges what they hold.
ORDER_BATCHES = 8

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


class PassReader:
    """Reads a pass. Its listener methods never raise; what goes wrong is raised by ``take``.

    Args:
        loader: The loader; its data set and collate function are looked at.
        identify: Says who is in a batch, and its facts.
        model: The model whose forward takes the batches, where somebody named it.
        tokenizers: Sees tokenizer calls, those of the data set and the collate function included.
        baseline_crystals: Crystals for which the same attention with fresh projections is wanted.
        read_attention: Asked for the weights of outermost calls of a batch in which no attention was seen.
        ready: Called when the model has seen a batch after the loop was over, for loops that fetch ahead.

    Attributes:
        sites: Every place where attention was formed, in order.
        naming: The host's modules and their names.
        decisions: What each attention was taken for.
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
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._dataset = getattr(loader, "dataset", None)
        self._collate = getattr(loader, "collate_fn", None)
        self._identify = identify
        self.naming = Naming(model)
        self.decisions = Decisions()
        self._tokenizers = tokenizers or TokenizerWatch()
        self._found_tokenizers: list[Any] | None = None
        self._tokenizers.start()
        self._watch = Watch(self)
        self._linears = LinearWatch()
        self._order = OrderWatch()
        self._streams = Streams()
        self._baseline_crystals = baseline_crystals
        self._read_attention = read_attention
        self._ready = ready
        self._inputs: Any = ((), {})
        self._queue: list[BatchInputs] = []
        self._group: Group | None = None
        self._error: Exception | None = None
        self._known: dict[tuple[str, Lines, int], Site] = {}
        self._stop_frame = mark_of(None)
        self._outer_number = 0
        self._usual_calls = 0
        self._ahead = False
        self._ended = False
        self.sites: list[Site] = []
        self.n_batches = 0
        self.n_crystals = 0
        self.n_yielded = 0
        self.n_without_attention = 0
        self.gradients: bool | None = None
        self.hidden_calls: Counter[Hidden] = Counter()
        self.n_unmatched = 0
        self.ids_from = ""
        self.elements_unknown = 0
        self.n_without_prediction = 0

    # -- told by the loop ------------------------------------------------------------------------------------

    def yielded(self, batch: Any, positions: tuple[int, ...] | None, frame: Any = None) -> None:
        """A batch is handed to the host; ``frame`` is the one that asked for it."""
        self.n_yielded += 1
        self._stop_frame = mark_of(frame)
        try:
            with busy.working(), torch.no_grad():
                inputs = BatchInputs(batch, positions, self._dataset)
        except Exception as error:
            self.fault(error)
            return
        self._queue.append(inputs)
        if len(self._queue) > 1:
            self._ahead = True
            del self._queue[:-KEPT_AHEAD]
        self._group = Group(None if self._ahead else inputs)
        self._start()

    def over(self) -> None:
        """The host asks for the next batch."""
        self._pause()
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
    def fetches_ahead(self) -> bool:
        """The host took a batch before its model had seen the one before."""
        return self._ahead

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
        self.decisions.forget()
        self._tokenizers.stop()

    def _start(self) -> None:
        self._tokenizers.start()
        self._watch.start()
        outermost.start(self)
        if self.n_crystals < self._baseline_crystals:
            self._linears.start()
        if self.n_batches < ORDER_BATCHES and self._group is not None:
            self._order.start([i.batch for i in (self._queue if self._ahead else self._queue[-1:])])

    def _stop(self) -> None:
        self._pause()
        outermost.stop(self)

    def _pause(self) -> None:
        self._watch.stop()
        outermost.pause(self)
        self._linears.stop()
        self._order.stop()

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
            self.naming.called(module)
            group.outer.append(outer_call(module, self._outer_number, output))
            if group.outer[-1].tensor is not None:
                self._streams.note(group.outer[-1].tensor)
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
            self._ready()

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
        return not self.decisions.ignores(site)

    def seen(self, item: Seen) -> None:
        if self._group is None:
            return
        item.outer = self._outer_number
        site = self._site(item.owner, item.lines, len(item.shape))
        if self.n_crystals < self._baseline_crystals and self.decisions.wants_layers(site):
            item.layers = self._linears.of(item.owner)
        self._streams.note(item.tensors[0])
        item.owner = item.live = None  # nothing of the host's is kept
        self._group.items.setdefault(site, []).append(item)

    def hidden(self, how: Hidden) -> None:
        self.hidden_calls[how] += 1

    def fault(self, error: Exception) -> None:
        self._error = self._error or error

    def _site(self, owner: nn.Module | None, lines: Lines, ndim: int) -> Site:
        key = (self.naming.name(owner, self._stop_frame), lines, ndim)
        site = self._known.get(key)
        if site is None:
            heads = owner.num_heads if type(owner) is nn.MultiheadAttention else 0
            site = self._known[key] = Site(key[0], lines, heads)
            self.sites.append(site)
        return site

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
            self.n_unmatched += bool(group.items)
            return  # nothing was called: the host fetches ahead, or skips this batch
        inputs = group.inputs
        assert inputs is not None
        copies = [t for found in group.items.values() for i in found for t in i.tensors]
        self._streams.settle([*copies, *(call.tensor for call in group.outer)])
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
        inputs.lengths = {n for items in group.items.values() for i in items for n in i.shape}
        with torch.no_grad():
            identity, facts = self._identify(inputs)
            self.n_crystals += facts.n
            items = {}
            for site, found in group.items.items():
                if self.decisions.ignores(site):
                    continue
                used = self._first_forward(group, site, found, facts)
                for part, of_part in self.decisions.parted(site, used):
                    part.learn(of_part, facts)
                    items[part] = of_part
            prediction = prediction_of(group.outer, {id(r) for r in self.naming.roots}, facts.n)
            self._note_identity(identity, prediction)
            self.decisions.exchanged |= self._order.exchanged
            self.decisions.inside = self._order.inside
            self.decisions.add(Waiting(identity, facts, items, prediction), self.sites)

    def _known_tokenizers(self) -> list[Any]:
        """Tokenizers seen at work, and those that data set, collate function and model hold on to."""
        if self._found_tokenizers is None:
            places = [self._dataset, self._collate, *self.naming.roots]
            self._found_tokenizers = known_tokenizers(*(p for p in places if p is not None))
        return [*self._tokenizers.known(), *self._found_tokenizers]

    def _ask(self, group: Group) -> None:
        """Let plugins read what passes through neither primitive."""
        assert self._read_attention is not None
        for call in group.calls:
            weights = self._read_attention(call)
            if weights is not None:
                self.naming.add_root(call.module)
                lines = (("attn_read_attention", 0),)
                site = self._site(call.module, lines, weights.ndim)
                item = Seen(None, lines, weights.detach().clone(), weights.ndim - 1, None)
                group.items.setdefault(site, []).append(item)
        group.calls.clear()

    def _note_identity(self, identity: BatchIdentity, prediction: torch.Tensor | None) -> None:
        if identity.ids and all(order_label(i) for i in identity.ids):
            self.ids_from = order_label(identity.ids[0])
        self.elements_unknown += sum(e is None for e in identity.elements)
        self.n_without_prediction += 0 if prediction is not None else len(identity)

    def _first_forward(self, group: Group, site: Site, found: list[Seen], facts: Facts) -> list[Seen]:
        """Of a model called several times on a batch, the first call when that covers the batch (else micro-batches)."""
        roots = {id(r) for r in self.naming.roots}
        rounds = [c.number for c in group.outer if c.module in roots]
        # what a host does with a part of its model beside the model (tracing it, say) is none of the pass
        found = [i for i in found if i.outer in rounds] or found
        if len(rounds) < 2:
            return found
        first = [i for i in found if i.outer == rounds[0]]
        if not first or len(first) == len(found):
            return found
        strength = site.strength(first, facts)
        return first if strength[1] and strength >= site.strength(found, facts) else found

    def take(self, *, last: bool = False) -> Iterator[ReadBatch]:
        """Batches that are ready.

        Args:
            last: The pass is over: what waits is decided on what there is.

        Raises:
            AttnError: What went wrong since the last time.
        """
        if last and self._error is None:
            try:
                self.decisions.decide(self.sites)
            except Exception as error:
                self._error = error
        if self._error is not None:
            self.decisions.forget()
            raise self._error
        self._streams.settle()
        yield from self.decisions.take()
