"""One open window: what a pass reads goes through the metrics to the store, and at the end stands an outcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from crysmm_attn_plugin.capture.accumulator import Accumulator, RowGroup
from crysmm_attn_plugin.capture.alarms import window_alarms
from crysmm_attn_plugin.capture.batch_words import BatchWords
from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.rows import reduce_call
from crysmm_attn_plugin.hooks.contract.manager import PluginManager
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.explain import why_nothing
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, Window, WindowOutcome, WindowState
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.writer import RunWriter

log = logging.getLogger("crysmm_attn")


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
        self._writer = writer.open_window(window, memory_mb=settings.memory_mb)
        self.gathered = Accumulator(
            MapKeeper(settings.maps, settings.memory_mb), window, self._hand_over, settings.memory_mb
        )
        self._asks_plugins = manager.hooks.reads_batches
        self._settings, self._manager, self._on_raw = settings, manager, on_raw
        self._without_mask: set[str] = set()
        self._started = time.perf_counter()
        self.modules: dict[str, None] = {}
        self.untrained: tuple[tuple[str, str], ...] = ()
        self.by_elimination = False
        self.unaligned: list[float] = []

    @torch.no_grad()
    def add(self, read: ReadBatch) -> None:
        """Reduce one batch and let its weights go."""
        blocks, padding = [], []
        words = BatchWords(read.identity)
        plugin_metrics = self._plugin_metrics if self._asks_plugins else None
        for call in read.calls:
            if self._on_raw is not None:
                self._on_raw(call, read.identity)
            self.modules.setdefault(call.module)
            if call.direction and call.direction not in self._settings.directions:
                continue
            reduced = reduce_call(
                call,
                read.identity,
                words=words,
                plugin_metrics=plugin_metrics,
                wanted=frozenset(self._settings.metrics),
                on_fault=self._metric_left_out,
            )
            blocks += reduced.blocks
            padding.append(reduced.padding)
            self.gathered.keeper.add(call, read.identity.ids, reduced.query_mask, reduced.key_mask)
        for call in read.baseline:
            if not call.direction or call.direction in self._settings.directions:
                blocks += reduce_call(
                    call,
                    read.identity,
                    words=words,
                    weights_name="reinitialised",
                    wanted=frozenset(self._settings.metrics),
                    head_mean=False,
                ).blocks
        self._without_mask |= read.without_mask
        self.unaligned += words.unaligned
        self.gathered.add(read.identity, blocks, read.prediction, padding)

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
                self.by_elimination,
                self.unaligned,
            ),
        )
