"""One process's capture: watched models and loaders, windows in order, checkpoints, the run on disk."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from crysmm_attn_plugin.capture.checkpoints import KnownCheckpoints
from crysmm_attn_plugin.capture.discovery import look_at_calls
from crysmm_attn_plugin.capture.models import ModelWatch, nothing_to_read
from crysmm_attn_plugin.capture.passes import Pass
from crysmm_attn_plugin.capture.provenance import run_info
from crysmm_attn_plugin.capture.ranks import shared_run_id
from crysmm_attn_plugin.capture.window import OpenWindow
from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.contract.manager import PluginManager, get_plugin_manager
from crysmm_attn_plugin.hooks.digests import weight_digest
from crysmm_attn_plugin.hooks.identity import tensors_in
from crysmm_attn_plugin.hooks.windows import listen
from crysmm_attn_plugin.records import Window, WindowKind, WindowOutcome, WindowState
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.writer import RunWriter, seal

log = logging.getLogger("crysmm_attn")

#: How ranks of one job learn the run id they share.
RUN_ID_VARIABLE = "CRYSMM_ATTN_INTERNAL_RUN_ID"
UNSEEN = "the loader was iterated but no watched model's forward was seen"


@dataclass
class Capture:
    """Captures one process's passes. No method raises unless ``settings.strict``.

    Args:
        settings: What to capture and where to put it.
        manager: Plugins; the process's own when None.
        info: Added to ``run.json``: host, host_config, host_seed, property, dataset, unit.
        run_id: Adds to that run; from the environment, or a new one for all ranks of the job, when None.
        rank: From the environment's RANK when None.
        split_of: Says which split a loader is, or None; loaders named by ``watch_loader`` come first.
        discover: Watch whichever model is called on a captured batch, for hosts that name none.
        told_later: Somebody else says at the end that nothing was found to capture; failures are told at once.
    """

    settings: Settings
    manager: PluginManager = field(default_factory=get_plugin_manager)
    info: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    rank: int | None = None
    split_of: Callable[[Any], str | None] | None = None
    discover: bool = False
    told_later: bool = False

    def __post_init__(self) -> None:
        self.run_id = self.run_id or os.environ.get(RUN_ID_VARIABLE) or shared_run_id()
        if self.rank is None:
            self.rank = int(os.environ.get("RANK", "0") or 0)
        self.outcomes: list[WindowOutcome] = []
        self.failures: list[str] = []
        self._writer: RunWriter | None = None
        self._models: list[ModelWatch] = []
        self._splits: dict[int, tuple[Any, str]] = {}
        self._undo: list[Callable[[], None]] = []
        self._pass: Pass | None = None
        self.checkpoints = KnownCheckpoints()
        self._unreadable = ""
        self._steps = 0
        self._epoch = 0
        self._trained = False
        self._trained_since_window = False
        self._count = 0
        self.last_digest = ""
        self.on_raw: Callable[[Any, Any], None] | None = None
        self._stop_discovery: Callable[[], None] | None = None

    # -- what to watch -------------------------------------------------------------------------------------

    @property
    def run_dir(self) -> Path | None:
        """The run's folder, once something was written."""
        return self._writer.path if self._writer else None

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the attention modules that are read."""
        return tuple(dict.fromkeys(t.name for watch in self._models for t in watch.taps))

    def watch_model(self, model: nn.Module) -> tuple[str, ...]:
        """Watch a model whose forward takes batches; returns the names of the modules it will read."""
        return tuple(t.name for t in self._watch(model).taps)

    def _watch(self, model: nn.Module) -> ModelWatch:
        for watch in self._models:
            if watch.model is model:
                return watch
        watch = ModelWatch(model, self.manager, self.settings, self._before_forward, self._after_forward)
        self._models.append(watch)
        return watch

    def watch_loader(self, loader: Any, split: str) -> None:
        """Remember which split a loader is and follow its loops.

        Raises:
            TypeError: When loops over such an object cannot be followed.
        """
        self._splits[id(loader)] = (loader, split)
        self.listen_to(type(loader))

    def listen_to(self, loader_class: type) -> None:
        """Follow loops over every loader of a class."""
        self._undo.append(listen(loader_class, self))

    # -- told by loaders -----------------------------------------------------------------------------------

    def loader_started(self, loader: Any) -> bool:
        return bool(self._guard(lambda: self._begin(loader)))

    def batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        current = self._pass
        if current is not None and current.loader is loader:
            for watch in self._models:
                watch.interrupted()
            current.yielded(batch, positions)

    def loader_finished(self, loader: Any, complete: bool) -> None:
        if self._pass is not None and self._pass.loader is loader:
            if complete and not self._pass.end():
                return
            state: WindowState = "complete" if complete else "partial"
            self.close_window(state, "" if complete else "the host left the loop early")

    def _begin(self, loader: Any) -> bool:
        known = self._splits.get(id(loader))
        split = known[1] if known else (self.split_of(loader) if self.split_of else None)
        if split is None or split not in self.settings.splits:
            return False
        self._close_unfinished("another loop began before this one ended")
        if self._trained_since_window:
            self._epoch += 1
            self._trained_since_window = False
        if self.discover:
            self._discover_from_now()
        kind: WindowKind = "final" if self._trained else "attached"
        self._pass = Pass(loader, split, kind, self._epoch if self._trained else None)
        return True

    def _discover_from_now(self) -> None:
        """Watch the outermost module with attention that is called while a batch waits."""
        if self._stop_discovery is not None:
            return

        def waiting() -> bool:
            return self._pass is not None and bool(self._pass.pending)

        def found(module: nn.Module, args: Any) -> None:
            if any(w.model is module for w in self._models):
                return
            watch = self._guard(lambda: self._watch(module))
            if watch is None:
                return
            if not watch.taps:
                if watch.compiled or not self._unreadable:
                    self._unreadable = nothing_to_read(module)
                watch.remove()
                self._models.remove(watch)
                return
            # the hooks just placed come too late for the call in progress
            watch.enter_late(args)

        self._stop_discovery = look_at_calls(waiting, found)

    # -- told by models ------------------------------------------------------------------------------------

    def _before_forward(self, watch: ModelWatch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        current = self._pass
        if current is None or not current.pending or current.skipped:
            return

        def begin() -> None:
            taken = current.take(args, kwargs)
            if taken is None:
                return
            if current.open is None:
                self._open(current, watch)
            if current.open is not None and current.open.watch is watch:
                current.open.before_forward(*taken, args, kwargs)

        self._guard(begin)

    def _after_forward(self, watch: ModelWatch, output: Any, raised: bool) -> None:
        current = self._pass
        if current is None or current.open is None or current.skipped or current.open.watch is not watch:
            return
        if raised:
            current.open.forward_raised()
            return
        self._guard(lambda: current.open.after_forward(output) if current.open else None)
        if current.all_seen:
            self.close_window("complete")

    def _open(self, current: Pass, watch: ModelWatch) -> None:
        digest = weight_digest(watch.model.state_dict())
        training = bool(watch.model.training)
        self.last_digest = digest
        mine = {o.window.checkpoint for o in self.outcomes}
        if digest not in mine and (digest, current.split, training) in self._run_writer().captured():
            current.skipped = True  # an earlier process or attach of this run has captured these weights
            return
        for outcome in list(self.outcomes):
            window = outcome.window
            if (window.checkpoint, window.split) != (digest, current.split) or outcome.state != "complete":
                continue
            if (window.training_mode and not training) or (
                window.kind == "epoch" and current.kind != "epoch"
            ):
                self._discard(outcome)
            else:
                current.skipped = True
                return
        self._count += 1
        window_id = (
            f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{self._count:04d}-{current.split}"
        )
        window = Window(window_id, digest, current.split, current.kind, current.epoch, training)
        current.open = OpenWindow(window, watch, current.loader, self.settings, self.manager, self.on_raw)
        self.manager.hooks.window_opened(window=window)

    def _close_unfinished(self, reason: str) -> None:
        if self._pass is not None and self._pass.ended:
            self.close_window("complete")  # the outcome counts the batches the model never saw
        elif self._pass is not None:
            self.close_window("partial", reason)

    def close_window(self, state: WindowState, reason: str = "") -> WindowOutcome | None:
        """End the pass in progress and write what it gathered."""
        current, self._pass = self._pass, None
        if current is None or current.skipped:
            return None
        if current.open is None:
            if current.batches:
                reason = self._unreadable or UNSEEN
                self._note(reason, at_once=not self.told_later)
            return None
        opened = current.open
        opened.release()

        def write() -> WindowOutcome:
            outcome = opened.outcome(state, reason, current.batches)
            self._write(opened, outcome)
            return outcome

        outcome = self._guard(write)
        if outcome is not None:
            self.manager.hooks.window_closed(window=opened.window, outcome=outcome)
        return outcome

    def _write(self, opened: OpenWindow, outcome: WindowOutcome) -> None:
        writer = self._run_writer()
        if outcome.state in ("empty", "failed"):
            writer.write_outcome(outcome)
            self._note(outcome.reason)
        else:
            maps, index = opened.gathered.keeper.columns()
            writer.write_window(
                outcome,
                attention=opened.gathered.attention(),
                samples=opened.gathered.samples(outcome.window),
                crystals=opened.gathered.crystals(),
                maps=maps,
                maps_index=index,
            )
        self.outcomes.append(outcome)

    def _run_writer(self) -> RunWriter:
        if self._writer is None:
            self._writer = RunWriter(
                self.settings.out_dir,
                self.settings.arm or "run",
                run_id=self.run_id,
                rank=self.rank or 0,
                info=run_info(self.settings, self.info),
            )
        return self._writer

    # -- told by training ----------------------------------------------------------------------------------

    def training_step(self) -> None:
        """A training step is being made: the passes before it were of epochs, not final."""
        self._trained = True
        self._steps += 1
        for watch in self._models:
            watch.watch_gradients()
        if self._trained_since_window:
            return
        self._trained_since_window = True
        self._guard(self._settle_epoch_windows)

    def probe_gradients(self, forward: Callable[[], Any]) -> tuple[str, ...]:
        """See ``plugin.Attached.probe_gradients``."""
        import torch

        for watch in self._models:
            watch.watch_gradients()
        with torch.enable_grad():
            output = forward()
            prediction = next(iter(tensors_in(output)), None)
            if prediction is not None and prediction.requires_grad:
                prediction.float().sum().backward()
        for watch in self._models:
            watch.model.zero_grad(set_to_none=True)
        return tuple(sorted({d for watch in self._models for _, d in watch.untrained()}))

    def _settle_epoch_windows(self) -> None:
        for outcome in list(self.outcomes):
            if outcome.window.kind != "final":
                continue
            epoch = dataclasses.replace(outcome, window=dataclasses.replace(outcome.window, kind="epoch"))
            self.outcomes[self.outcomes.index(outcome)] = epoch
            if self._keeps(epoch):
                self._run_writer().write_outcome(epoch)
            else:
                self._discard(epoch)

    def _keeps(self, outcome: WindowOutcome) -> bool:
        """Whether an epoch's window stays: by the setting, or because a checkpoint file holds its weights."""
        wanted = self.settings.windows
        if wanted == "all" or self.checkpoints.held(outcome.window.checkpoint):
            return True
        return isinstance(wanted, int) and (outcome.window.epoch or 0) % wanted == 0

    def _discard(self, outcome: WindowOutcome) -> None:
        self.outcomes.remove(outcome)
        if self._writer is not None:
            self._writer.discard_window(outcome)

    def checkpoint_saved(self, path: str | os.PathLike[str], obj: Any) -> None:
        """The host saved ``obj`` to ``path``; remember which weights the file holds."""
        self._guard(lambda: self.checkpoints.saved(path, obj, self._steps))

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self, *, state: str = "complete", reason: str = "", seal_run: bool = True) -> Path | None:
        """Settle windows and checkpoints, write the manifest, let go of the host.

        Args:
            state: ``complete`` or ``partial``.
            reason: Why it is partial.
            seal_run: Write the manifest; false for ranks other than the one that seals.

        Returns:
            The run's folder, or None when nothing was captured.
        """
        self._close_unfinished(reason or "the run ended inside this pass")
        self._let_go()
        self._guard(self._write_checkpoints)
        if self._writer is None:
            return None
        self._guard(self._write_plugins)
        if seal_run:
            self._guard(lambda: seal(self._run_writer().path, state=state, reason=reason))
        return self._writer.path

    def _write_plugins(self) -> None:
        """Who took part, what went wrong in it, and how plugins' metrics are named."""
        plugins, described = self.manager.record(), self.manager.descriptor_data()
        if self._writer is not None and (plugins or any(described.values())):
            self._writer.update_info(plugins=plugins, descriptors=described)

    def abandon(self) -> None:
        """Let go of everything without writing: in a forked child, whose parent writes it."""
        opened = self._pass.open if self._pass is not None else None
        self._pass = None
        if opened is not None:
            opened.release()
        self._let_go()
        self._models.clear()

    def _let_go(self) -> None:
        for undo in self._undo:
            undo()
        self._undo.clear()
        if self._stop_discovery is not None:
            self._stop_discovery()
            self._stop_discovery = None
        for watch in self._models:
            watch.remove()

    def _last_weights(self) -> str | None:
        """Digest of the weights training ended with: the first pass after the last step, unless a file gave them back."""
        if not self._trained or self._trained_since_window:
            return None
        earlier = self.checkpoints.saved_before(self._steps)
        after = (o.window for o in self.outcomes if o.window.epoch == self._epoch)
        return next((w.checkpoint for w in after if w.checkpoint not in earlier), None)

    def _write_checkpoints(self) -> None:
        if self._writer is None:
            return
        for outcome in list(self.outcomes):
            if outcome.window.kind == "epoch" and not self._keeps(outcome):
                self._discard(outcome)
        untrained: set[str] = set()
        for watch in self._models:
            untrained |= {direction for _, direction in watch.untrained()}
        for checkpoint in self.checkpoints.of(
            self.outcomes,
            last=self._last_weights(),
            current=self.last_digest,
            untrained=sorted(untrained),
        ):
            self._writer.write_checkpoint(checkpoint)

    # -- failures ------------------------------------------------------------------------------------------

    def _guard(self, action: Callable[[], Any]) -> Any:
        """Run ``action``; a failure gives up the window and lets the host go on, unless strict."""
        try:
            with busy.working():
                return action()
        except Exception as error:
            self._give_up(error)
            if self.settings.strict:
                raise CaptureError(f"attention capture failed: {error}") from error
            return None

    def _give_up(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, Exception) and str(error) else type(error).__name__
        if not hasattr(error, "exit_code"):
            reason = f"{type(error).__name__}: {reason}"
            log.debug("capture failed", exc_info=error)
        current = self._pass
        self._note(reason)
        if current is None or current.open is None:
            if current is not None:
                current.skipped = True
            return
        opened = current.open
        opened.release()
        current.skipped = True
        outcome = WindowOutcome(opened.window, "failed", reason, opened.n_batches)
        self.outcomes.append(outcome)
        try:
            self._run_writer().write_outcome(outcome)
        except OSError as disk:
            self._note(f"the failure could not be written either: {disk}")
        self.manager.hooks.capture_failed(window=opened.window, reason=reason)

    def _note(self, reason: str, *, at_once: bool = True) -> None:
        if reason and reason not in self.failures:
            self.failures.append(reason)
            log.log(logging.WARNING if at_once else logging.INFO, "nothing captured in a pass: %s", reason)


def silence_if_unconfigured() -> None:
    """Send this project's warnings to stderr as plain lines when the host has not set up logging."""
    if not log.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("crysmm-attn: %(message)s"))
        log.addHandler(handler)
        log.propagate = False
