"""One process's capture: watched models and loaders, windows in order, checkpoints, the run on disk."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.capture.alarms import directions_of
from crysmm_attn_plugin.capture.checkpoints import KnownCheckpoints
from crysmm_attn_plugin.capture.passes import Pass
from crysmm_attn_plugin.capture.provenance import run_info
from crysmm_attn_plugin.capture.ranks import shared_run_id
from crysmm_attn_plugin.capture.unnamed import UnnamedLoops, whole_data
from crysmm_attn_plugin.capture.window import OpenWindow
from crysmm_attn_plugin.errors import CaptureError, IdentityError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.contract.manager import PluginManager, get_plugin_manager
from crysmm_attn_plugin.hooks.reading.explain import why_nothing
from crysmm_attn_plugin.hooks.reading.facts import facts_of
from crysmm_attn_plugin.hooks.reading.gradients import GradientWatch, without_gradient
from crysmm_attn_plugin.hooks.reading.loops import asking_frame, listen, weakly
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.hooks.reading.weights import digest_of
from crysmm_attn_plugin.probing.in_host import HostProbe, options_of
from crysmm_attn_plugin.records import LEFT_EARLY, Window, WindowKind, WindowOutcome, WindowState
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.writer import RunWriter, new_window_id, seal

log = logging.getLogger("crysmm_attn")

#: Crystals at the beginning of a pass for which attention with fresh projections is formed as well; its mean is what is read.
BASELINE_CRYSTALS = 200
#: How ranks of one job learn the run id they share.
RUN_ID_VARIABLE = "CRYSMM_ATTN_INTERNAL_RUN_ID"


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
        discover: Also read loops that nobody named, when they run without gradients and none was named before.
        told_later: Somebody else says at the end that nothing was found to capture; failures are told at once.
        place_of: Place of a loader among all, from 1, by which unnamed loops are called; by their own order when None.
    """

    settings: Settings
    manager: PluginManager = field(default_factory=get_plugin_manager)
    info: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    rank: int | None = None
    split_of: Callable[[Any], str | None] | None = None
    discover: bool = False
    told_later: bool = False
    place_of: Callable[[Any], int] | None = None

    def __post_init__(self) -> None:
        self.run_id = self.run_id or os.environ.get(RUN_ID_VARIABLE) or shared_run_id()
        if self.rank is None:
            self.rank = int(os.environ.get("RANK", "0") or 0)
        self.outcomes: list[WindowOutcome] = []
        self.failures: list[str] = []
        self._writer: RunWriter | None = None
        self._model: weakref.ref[nn.Module] | None = None
        self._splits: dict[int, tuple[Callable[[], Any], str]] = {}
        self._modules: dict[str, None] = {}
        self._gradients = GradientWatch()
        self._training_loader: Callable[[], Any] = weakly(None)
        self._untrained: set[tuple[str, str]] = set()
        self._named = False
        self._unnamed = UnnamedLoops(self.place_of)
        self._trained_on: list[Callable[[], Any]] = []
        self.unread = ""
        self._probed: dict[str, Any] = {}
        self._undo: list[Callable[[], None]] = []
        self._pass: Pass | None = None
        self.checkpoints = KnownCheckpoints()
        self._steps = 0
        self._epoch = 0
        self._trained = False
        self._trained_since_window = False
        self.last_digest = ""
        self.on_raw: Callable[[Any, Any], None] | None = None

    # -- what to watch -------------------------------------------------------------------------------------

    @property
    def run_dir(self) -> Path | None:
        """The run's folder, once something was written."""
        return self._writer.path if self._writer else None

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the attention modules that were read."""
        return tuple(self._modules)

    def watch_model(self, model: nn.Module) -> None:
        """Say which model takes the batches, where that is known: names of its modules and its weights' digest are its own."""
        self._model = weakref.ref(model)

    def watch_loader(self, loader: Any, split: str) -> None:
        """Remember which split a loader is and follow its loops.

        Raises:
            TypeError: When loops over such an object cannot be followed.
        """
        self._splits[id(loader)] = (weakly(loader), split)
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
            if not current.skipped:
                current.reader.yielded(batch, positions, asking_frame())
                if current.probe is not None:
                    current.probe.batch_begins()
        elif loader is not None and self._training_loader() is loader:
            self._gradients.begin(asking_frame())

    def batch_over(self, loader: Any) -> None:
        current = self._pass
        if current is not None and current.loader is loader:
            current.reader.over()
            if current.probe is not None and not current.skipped:
                probe, reader = current.probe, current.reader
                self._guard(lambda: probe.batch_over(reader))
            self._guard(lambda: self._read_on(current))
        else:
            self._gradients.end()

    def loader_finished(self, loader: Any, complete: bool) -> None:
        current = self._pass
        if current is None or current.loader is not loader:
            return
        complete = complete or current.took_all
        if complete and not current.skipped and not current.reader.ended():
            return
        self.close_window("complete" if complete else "partial", "" if complete else LEFT_EARLY)

    def _begin(self, loader: Any) -> bool:
        known = self._splits.get(id(loader))
        split = (
            known[1] if known and known[0]() is loader else (self.split_of(loader) if self.split_of else None)
        )
        provisional = split is None and self.discover and not self._named and not self._trains(loader)
        if split is not None:
            if split == "test" and not self._named:
                self._named = True
                self._guard(self._discard_unnamed)
            if split == "train":
                self._trained_with(loader)
            else:
                self._training_loader = weakly(None)
        if not provisional and (split is None or split not in self.settings.splits):
            if split is None and torch.is_grad_enabled():
                self._training_loader = weakly(loader)
            return self._training_loader() is loader and not self._gradients.done
        self._close_unfinished("another loop began before this one ended")
        if self._trained_since_window:
            self._epoch += 1
            self._trained_since_window = False
        kind: WindowKind = "final" if self._trained else "attached"
        split = split or self._unnamed.split_for(loader)
        current = Pass(weakly(loader), split, kind, self._epoch if self._trained else None, provisional)
        current.reader = PassReader(
            loader,
            lambda inputs: facts_of(inputs, self.manager, current),
            self._model() if self._model is not None else None,
            current.tokenizers,
            BASELINE_CRYSTALS if self.settings.reinitialised else 0,
            self._asker(current),
            lambda: self._read_late(current),
        )
        if self.settings.probe:
            current.probe = HostProbe(options_of(self.settings.probe))
        self._pass = current
        return True

    def _asker(self, current: Pass) -> Callable[[Any], Any] | None:
        if not self.manager.pm.hook.attn_read_attention.get_hookimpls():
            return None
        return lambda call: self.manager.hooks.read_attention(call=call, window=current)

    def _read_on(self, current: Pass) -> None:
        """Take what the reader has ready; open the window at the first of it."""
        if current.skipped:
            return
        reader = current.reader
        if current.open is None and reader.naming.roots:
            self._open(current)
        if not current.skipped:
            for read in reader.take():
                self._take(current, read)

    def _read_late(self, current: Pass) -> None:
        """The model has seen a batch after the loop was over; host and model may be gone when the process ends."""
        self._guard(lambda: self._read_on(current))
        if current is self._pass and current.reader.finished:
            self.close_window("complete")

    def _take(self, current: Pass, read: Any) -> None:
        if current.open is not None:
            current.open.add(read)
            if current.probe is not None:
                current.open.add_interventions(current.probe.take(read, current.reader))
            self._modules |= current.open.modules

    def training_backward(self) -> None:
        """A gradient is being computed: a loop that nobody named and that has come so far trains, and is no test pass."""
        current = self._pass
        if current is not None and current.provisional and not current.skipped:
            current.skip()
            self._unnamed.drop(current.loader)
            self._trained_with(current.loader)

    def _trains(self, loader: Any) -> bool:
        """Whether this loader, or another over the same data, is being trained with."""
        data = whole_data(loader)
        return self._training_loader() is loader or (
            data is not None and any(x() is data for x in self._trained_on)
        )

    def _trained_with(self, loader: Any) -> None:
        self._training_loader = weakly(loader)
        data = whole_data(loader)
        if data is not None and not self._trains(loader):
            self._trained_on.append(weakly(data))

    def _discard_unnamed(self) -> None:
        """A test loop has been named: loops taken for one because none was are not kept."""
        for outcome in [o for o in self.outcomes if o.window.window_id in self._unnamed]:
            self._discard(outcome)

    def _open(self, current: Pass) -> None:
        reader = current.reader
        digest = digest_of(reader.naming.readers)
        training = reader.naming.training
        self.last_digest = digest
        mine = {o.window.checkpoint for o in self.outcomes}
        if digest not in mine and (digest, current.split, training) in self._run_writer().captured():
            current.skip()  # an earlier process or attach of this run has captured these weights
            return
        for outcome in list(self.outcomes):
            window = outcome.window
            if (window.checkpoint, window.split) != (digest, current.split) or outcome.state != "complete":
                continue
            if current.provisional and not self._unnamed.same(window.window_id, current.loader):
                continue
            if (window.training_mode and not training) or (
                window.kind == "epoch" and current.kind != "epoch"
            ):
                self._discard(outcome)
            else:
                current.skip()
                return
        window = Window(
            new_window_id(current.split), digest, current.split, current.kind, current.epoch, training
        )
        if current.provisional:
            self._unnamed.began(window.window_id, current.loader)
        current.open = OpenWindow(
            window, reader, self._run_writer(), self.settings, self.manager, self.on_raw
        )
        self.manager.hooks.window_opened(window=window)

    def _close_unfinished(self, reason: str) -> None:
        if self._pass is not None and (self._pass.took_all or self._pass.reader.finished):
            self.close_window("complete")  # the outcome counts the batches the model never saw
        elif self._pass is not None:
            self.close_window("partial", reason)

    def close_window(self, state: WindowState, reason: str = "") -> WindowOutcome | None:
        """End the pass in progress and write what it gathered."""
        current = self._pass
        if current is None:
            return None
        current.reader.close()
        self._guard(lambda: self._read_on(current))
        self._guard(lambda: self._last(current))
        self._pass = None
        if current.probe is not None and current.open is not None:
            self._probed[current.open.window.window_id] = current.probe.record()
        current.let_go()
        if current.skipped:
            return None
        reader = current.reader
        if current.open is None:
            if reader.n_yielded and not current.provisional:
                reason = why_nothing(reader, reader.n_yielded)
                self._note(reason, at_once=not self.told_later)
                if self.settings.strict:
                    raise CaptureError(f"nothing captured: {reason}.")
            return None
        opened = current.open
        self._untrained |= set(self._gradients.untrained(directions_of(reader)))
        opened.untrained = tuple(sorted(self._untrained))

        def write() -> WindowOutcome:
            return self._write(opened, opened.outcome(state, reason, reader.n_yielded))

        outcome: WindowOutcome | None = self._guard(write)
        if outcome is not None and current.provisional:
            self._guard(lambda: self._unnamed_closed(outcome, opened.gathered.content))
        if outcome is not None:
            self.manager.hooks.window_closed(window=opened.window, outcome=outcome)
        return outcome

    def _unnamed_closed(self, outcome: WindowOutcome, content: int | None) -> None:
        """A loop that nobody named is over: it may be one that was seen before, and others may be called otherwise now."""
        if outcome.state == "complete":
            self._unnamed.closed(outcome.window.window_id, content, outcome.n_crystals)
            if any(
                o.window.checkpoint == outcome.window.checkpoint and o.state == "complete"
                for o in self.outcomes
                if o.window.window_id in self._unnamed.twins(outcome.window.window_id)
            ):
                self._discard(outcome)
        for before, after in list(self._unnamed.settled(self.outcomes)):
            self.outcomes[self.outcomes.index(before)] = after
            self._run_writer().write_outcome(after)

    def _last(self, current: Pass) -> None:
        """The pass is over: what waited for a decision is decided on what there is."""
        if current.skipped or current.open is None:
            return
        for read in current.reader.take(last=True):
            self._take(current, read)
        current.open.settle()

    def _write(self, opened: OpenWindow, outcome: WindowOutcome) -> WindowOutcome:
        if outcome.state in ("empty", "failed"):
            self._note(outcome.reason, at_once=outcome.state == "failed" or not self.told_later)
        written = opened.close(outcome)
        self.outcomes.append(written)
        return written

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
        self.training_backward()  # for optimizers that are given their gradients
        self._trained = True
        self._steps += 1
        self._gradients.stepped()
        if self._trained_since_window:
            return
        self._trained_since_window = True
        self._unnamed.trained()
        self._guard(self._settle_epoch_windows)

    def probe_gradients(self, forward: Callable[[], Any]) -> None:
        """See ``plugin.Attached.probe_gradients``."""
        model = self._model() if self._model is not None else None
        if model is not None:
            self._gradients.told(*without_gradient(forward, model))

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
        try:
            self._close_unfinished(reason or "the run ended inside this pass")
        finally:  # strict raises
            self._let_go()
        self._guard(self._write_checkpoints)
        if self._writer is None:
            return None
        if self._unnamed.told() and not self._named:
            log.warning(self._unnamed.told())
        self._guard(self._write_plugins)
        if seal_run:
            self._guard(lambda: seal(self._run_writer().path, state=state, reason=reason))
        return self._writer.path

    def _write_plugins(self) -> None:
        """Who took part, what went wrong in it, and how plugins' metrics are named."""
        if self._writer is not None and not self.rank and self._probed:
            self._writer.update_info(probe=self._probed)
        plugins, described = self.manager.record(), self.manager.descriptor_data()
        if self._writer is not None and not self.rank and (plugins or any(described.values())):
            self._writer.update_info(plugins=plugins, descriptors=described)

    def abandon(self) -> None:
        """Let go of everything without writing: in a forked child, whose parent writes it."""
        if self._pass is not None:
            self._pass.skip()
            if self._pass.open is not None:
                self._pass.open.abandon()
        self._pass = None
        self._let_go()

    def _let_go(self) -> None:
        for undo in self._undo:
            undo()
        self._undo.clear()
        self._gradients.end()
        self._splits.clear()

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
        for checkpoint in self.checkpoints.of(
            self.outcomes,
            last=self._last_weights(),
            current=self.last_digest,
            untrained=sorted({direction for _, direction in self._untrained}),
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
        if current is None:
            return
        current.skip()
        opened = current.open
        if opened is None:
            return
        # what cannot be true is believed nowhere; after any other fault, what was read before it stands
        with suppress(Exception):
            opened.settle()
        untrue = isinstance(error, (IdentityError, CaptureError))
        gathered = opened.gathered.n_crystals if opened.gathered.n_blocks else 0
        state: WindowState = "partial" if gathered and not untrue else "failed"
        outcome = WindowOutcome(opened.window, state, reason, opened.reader.n_batches, gathered)
        self.outcomes.append(outcome)
        try:
            opened.close(outcome)
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
