"""One open window: what a pass reads goes through the metrics to the store, and at the end stands an outcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from crysmm_attn_plugin.capture.accumulator import Accumulator, RowGroup
from crysmm_attn_plugin.capture.alarms import window_alarms
from crysmm_attn_plugin.capture.batch_words import BatchWords
from crysmm_attn_plugin.capture.joining import TOGETHER, Joining, joined
from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.rows import Reduced, reduce_call
from crysmm_attn_plugin.hooks.contract.manager import PluginManager
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.explain import RECORDED, why_nothing
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, Window, WindowOutcome, WindowState
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.writer import RunWriter

log = logging.getLogger("crysmm_attn")

#: Crystals in a group of files: to write twice as many takes twice the memory for a moment.
WRITTEN_TOGETHER = 1024


@dataclass(frozen=True)
class _Reduction:
    """Numbers of one batch: of its calls, of the same with fresh projections, and what was seen of its words."""

    calls: list[tuple[AttentionCall, Reduced]]
    baseline: list[Reduced]
    unaligned: list[float]


class OpenWindow:
    """A pass in progress over one loader.

    Args:
        window: What is known of it (digest, split, kind).
        reader: Reads the host.
        writer: Takes rows, a group of crystals at a time.
        settings: The run's settings.
        manager: For plugins' metrics.
        on_raw: Called with each call's maps, padding and all, and the batch's identity.
    """

    def __init__(
        self,
        window: Window,
        reader: PassReader,
        writer: RunWriter,
        settings: Settings,
        manager: PluginManager,
        on_raw: Callable[[AttentionCall, BatchIdentity], None] | None = None,
    ) -> None:
        self.window = window
        self.reader = reader
        self._writer = writer.open_window(window, memory_mb=settings.memory_mb, group=WRITTEN_TOGETHER)
        self.gathered = Accumulator(
            MapKeeper(settings.maps, settings.memory_mb), window, self._hand_over, settings.memory_mb
        )
        self._asks_plugins = manager.hooks.reads_batches
        self._settings, self._manager, self._on_raw = settings, manager, on_raw
        # interventions name crystals that have been written, and a plugin's batch is the host's
        self._joining = Joining(1 if settings.probe or self._asks_plugins else TOGETHER)
        self._without_mask: set[str] = set()
        self._started = time.perf_counter()
        self.modules: dict[str, None] = {}
        self.untrained: tuple[tuple[str, str], ...] = ()
        self.unaligned: list[float] = []

    def add(self, read: ReadBatch) -> None:
        """Take one batch; small ones are reduced together."""
        for call in read.calls:
            self.modules.setdefault(call.module)
            if self._on_raw is not None:
                self._on_raw(call, read.identity)
        self._reduce_groups(self._joining.put(read))

    def settle(self) -> None:
        """Reduce what still waits for others."""
        self._reduce_groups(self._joining.rest())

    def _reduce_groups(self, groups: Sequence[Sequence[ReadBatch]]) -> None:
        for group in groups:
            for read in self._put_together(group):
                self._keep(*read)

    def _put_together(self, group: Sequence[ReadBatch]) -> Iterator[tuple[ReadBatch, _Reduction]]:
        if len(group) > 1:
            try:
                whole = joined(group)
                found = self._reduce(whole)
            except Exception:  # one batch's fault is to cost that batch alone
                log.debug("batches are reduced one by one", exc_info=True)
            else:
                yield whole, found
                return
        for read in group:
            yield read, self._reduce(read)

    @torch.no_grad()
    def _reduce(self, read: ReadBatch) -> _Reduction:
        wanted = frozenset(self._settings.metrics)
        words = BatchWords(read.identity)
        plugin_metrics = self._plugin_metrics if self._asks_plugins else None
        calls = [
            (call, reduce_call(
                call, read.identity, words=words, plugin_metrics=plugin_metrics, wanted=wanted, on_fault=self._metric_left_out
            ))
            for call in read.calls
            if self._asked_for(call)
        ]  # fmt: skip
        baseline = [
            reduce_call(
                call, read.identity, words=words, weights_name="reinitialised", wanted=wanted, head_mean=False
            )
            for call in read.baseline
            if self._asked_for(call)
        ]
        return _Reduction(calls, baseline, words.unaligned)

    def _keep(self, read: ReadBatch, found: _Reduction) -> None:
        """Take a batch's numbers and let its weights go."""
        reductions = [reduced for _, reduced in found.calls]
        for call, reduced in found.calls:
            self.gathered.keeper.add(call, read.identity.ids, reduced.query_mask, reduced.key_mask)
        self._without_mask |= read.without_mask
        self.unaligned += found.unaligned
        blocks = [block for reduced in (*reductions, *found.baseline) for block in reduced.blocks]
        self.gathered.add(read.identity, blocks, read.prediction, [reduced.padding for reduced in reductions])

    def _asked_for(self, call: AttentionCall) -> bool:
        return not call.direction or call.direction in self._settings.directions

    def add_interventions(self, columns: Mapping[str, list[Any]]) -> None:
        """Take rows of interventions on crystals that have been added."""
        self._writer.append_interventions(columns)

    def _hand_over(self, rows: RowGroup) -> None:
        self._writer.append(attention=rows.attention, samples=rows.samples, crystals=rows.crystals)

    def _metric_left_out(self, name: str, why: str) -> None:
        self.gathered.metric_faults.setdefault(name, why)
        self._manager.fault(name, "attn_batch_metrics", why)

    def _plugin_metrics(self, **arguments: Any) -> list[Mapping[str, torch.Tensor]]:
        return self._manager.hooks.batch_metrics(**arguments)

    def close(self, outcome: WindowOutcome) -> WindowOutcome:
        """Write what is left, and the outcome last; rows that were handed over stay, whatever the outcome is."""
        maps, index = self.gathered.keeper.columns()
        if outcome.state in ("complete", "partial"):
            self.gathered.flush()
            return self._writer.close(outcome, maps=maps, maps_index=index)
        return self._writer.close(outcome)

    def abandon(self) -> None:
        """Write nothing more: another process does."""
        self._writer.abandon()

    def outcome(self, state: WindowState, reason: str = "", loader_batches: int = 0) -> WindowOutcome:
        """How the window ended; a complete pass without rows is ``empty``, one with unseen batches ``partial``."""
        reader = self.reader
        if state == "complete" and not self.gathered.n_blocks:
            state, reason = "empty", why_nothing(reader, loader_batches)
        elif state == "complete" and reader.n_batches < loader_batches:
            state = "partial"
            reason = f"the model saw {reader.n_batches} of {loader_batches} batches"
            if reader.hidden_calls["recorded"]:
                reason += f"; {RECORDED}"
        expected = reader.n_batches * len(self.modules)
        return WindowOutcome(
            self.window,
            state,
            reason,
            reader.n_batches,
            self.gathered.n_crystals if self.gathered.n_blocks else 0,
            expected,
            expected - reader.decisions.missing,
            time.perf_counter() - self._started,
            window_alarms(
                self.gathered,
                reader,
                self.window,
                self._without_mask,
                self.untrained,
                self.unaligned,
            ),
        )
