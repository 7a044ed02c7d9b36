"""A host's process under ``crysmm-attn run``: seams set as the host imports its libraries, windows followed, an end.

The mode, in ``CRYSMM_ATTN_INTERNAL_MODE``: ``capture``; ``record`` (only digests of the model's outputs, for
``verify``); ``probe`` (say what would be attached and stop, for ``doctor``); ``flag`` (do nothing unless the host's
config asks for it).
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.errors import AttnError, CaptureError
from crysmm_attn_plugin.hooks.bootstrap import seams
from crysmm_attn_plugin.hooks.bootstrap.imports import AfterImport
from crysmm_attn_plugin.hooks.bootstrap.known_hosts import KnownHosts, seam_modules
from crysmm_attn_plugin.hooks.bootstrap.loop_names import LoopNames

if TYPE_CHECKING:
    from crysmm_attn_plugin.capture.session import Capture
    from crysmm_attn_plugin.hooks.bootstrap.probe import Probes
    from crysmm_attn_plugin.hooks.bootstrap.record import OutputRecord
    from crysmm_attn_plugin.settings import Settings

log = logging.getLogger("crysmm_attn")
PREFIX = "CRYSMM_ATTN_INTERNAL_"

_process: HostProcess | None = None


def activate(mode: str | None = None) -> HostProcess:
    """Set this process up; called once, by the sitecustomize or the environment's start-up line."""
    global _process
    if _process is None:
        _process = HostProcess(mode or os.environ.get(PREFIX + "MODE", "flag"))
        _process.install()
    return _process


class HostProcess:
    """Listens to loaders, models, saves and steps of one process.

    Args:
        mode: See the module's docstring.
    """

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.pid = os.getpid()
        self.capture: Capture | None = None
        self._failed = False
        self._broken = ""
        self._finished_by = 0
        self._host_config: dict[str, Any] | None = None
        self._key: Any = None
        self._settings: Settings | None = None
        self._loops: LoopNames | None = None
        self._undo: list[Callable[[], None]] = []
        self._finder: AfterImport | None = None
        self.host = KnownHosts()
        self._record: OutputRecord | None = None
        self.seen_loaders: list[str] = []
        self.probing: Probes | None = None

    @property
    def finder(self) -> AfterImport:
        """Sees the host's imports, once installed."""
        assert self._finder is not None
        return self._finder

    def install(self) -> None:
        """Wait for the host's imports."""
        actions: dict[str, Callable[[ModuleType], None]] = {"torch": self._torch, "pydantic": self._pydantic}
        actions |= dict.fromkeys(seam_modules(), self._seam_module)
        self._finder = AfterImport(actions)
        self._finder.install()
        os.register_at_fork(after_in_child=self._forked)
        atexit.register(self.finish)

    # -- seams, as libraries come in -----------------------------------------------------------------------

    def _torch(self, torch: ModuleType) -> None:
        if self.mode == "flag" and not self._asked():
            return
        from torch.utils.data import DataLoader

        from crysmm_attn_plugin.hooks.reading.loops import listen

        self._undo.append(listen(DataLoader, self))
        if self.mode == "probe":
            self._undo.append(seams.wrap_attribute(torch, "save", self._before_save))
        self._undo.append(seams.watch_saves(torch, self._saved))
        self._undo.append(seams.watch_backward(torch, self._guarded(self._backward)))
        self._undo.append(seams.watch_steps(self._stepped))

    def _pydantic(self, pydantic: ModuleType) -> None:
        self._undo.append(seams.take_key_before_validation(pydantic, self._guarded(self._take_key)))

    def _seam_module(self, module: ModuleType) -> None:
        training, loaders = self._guarded(self._training), self._guarded(self._loaders)
        self._undo += self.host.enter(module, training, loaders)

    def _asked(self) -> bool:
        """Whether the host's config, the environment or ``crysmm_attn.toml`` asked for capture."""
        return bool(self._key) or _enabled_elsewhere()

    def _take_key(self, value: Any) -> None:
        self._key, self._settings = value, None
        if value and self.mode == "flag" and "torch" in sys.modules and not self._undo_has_loader():
            self._torch(sys.modules["torch"])

    def _undo_has_loader(self) -> bool:
        from crysmm_attn_plugin.hooks.reading.loops import listening

        return listening(self)

    def _training(self, config: Any, loaders: Any) -> None:
        values = seams.plain_config(config)
        if values is not None:
            if seams.KEY in values:
                self._take_key(values.pop(seams.KEY))
            self._host_config = values
        if loaders:
            self._loaders(loaders)

    def _loaders(self, loaders: Any) -> None:
        if isinstance(loaders, Mapping):
            loaders = [loaders.get(s) for s in self.host.splits]
        if isinstance(loaders, (tuple, list)):
            for loader, split in zip(loaders, self.host.splits):
                if loader is not None:
                    self.loops.tell(loader, split)

    # -- told by the host's own calls ----------------------------------------------------------------------

    def loader_started(self, loader: Any) -> bool:
        return bool(self._guard(lambda: self._loader_started(loader)))

    def _guarded(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """``action`` for a host's seam: what goes wrong in it is ours alone."""
        return lambda *values: self._guard(lambda: action(*values))

    def _guard(self, action: Callable[[], Any]) -> Any:
        """Run ``action``; a fault of ours is told once and ends the capture, never the host, unless it is strict."""
        if self._broken:
            return None
        try:
            return action()
        except Exception as error:
            if isinstance(error, CaptureError):  # strict
                raise
            self._broken = sentence = f"capture ended, the host goes on: {type(error).__name__}: {error}"
            if log.handlers or logging.getLogger().handlers:
                log.warning(sentence)
            else:
                sys.stderr.write(f"crysmm-attn: {sentence}\n")
            return None

    def _loader_started(self, loader: Any) -> bool:
        split = self.split_of(loader)
        word = self.loops.described(loader, split)
        if word not in self.seen_loaders:
            self.seen_loaders.append(word)
        if self.mode == "probe":
            from crysmm_attn_plugin.hooks.bootstrap.probe import Probes

            self.probing = self.probing or Probes(self)
            self.probing.begin(loader, split, word)
            return True
        if os.environ.get(PREFIX + "RECORD"):
            self._listen_to_outputs(split != "train")
        capture = self._get_capture()
        return capture.loader_started(loader) if capture is not None else False

    def _listen_to_outputs(self, listen: bool) -> None:
        """For ``verify``: digest what models put out during passes over validation and test crystals."""
        if self._record is None:
            from crysmm_attn_plugin.hooks.bootstrap.record import OutputRecord

            self._record = OutputRecord()
        self._record.listen(listen)

    def batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        self._guard(lambda: self._batch_yielded(loader, batch, positions))

    def _batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        if self.probing is not None:
            self.probing.yielded(loader, batch, positions)
        elif self.capture is not None:
            self.capture.batch_yielded(loader, batch, positions)

    def batch_over(self, loader: Any) -> None:
        self._guard(lambda: self._batch_over(loader))

    def _batch_over(self, loader: Any) -> None:
        if self.probing is not None:
            self.probing.over(loader)
        elif self.capture is not None:
            self.capture.batch_over(loader)

    def loader_finished(self, loader: Any, complete: bool) -> None:
        self._guard(lambda: self._loader_finished(loader, complete))

    def _loader_finished(self, loader: Any, complete: bool) -> None:
        if self.probing is not None:
            self.probing.over(loader, last=True)
        if self.capture is not None:
            self.capture.loader_finished(loader, complete)
            self._write_status()

    def split_of(self, loader: Any) -> str | None:
        """The split of a loader: as asked for, from the host's seams or framework, else by the name it is bound to."""
        return self.loops.split_of(loader)

    @property
    def loops(self) -> LoopNames:
        """Which loop is which."""
        if self._loops is None:
            settings = self.settings
            self._loops = LoopNames(settings.loader if settings is not None else "")
        return self._loops

    @property
    def settings(self) -> Settings | None:
        """Settings of this process; None when they are wrong, which is said once: the host is not to end by them."""
        if self._settings is None and not self._failed:
            from crysmm_attn_plugin.capture.session import silence_if_unconfigured
            from crysmm_attn_plugin.hooks.contract.manager import load_settings

            silence_if_unconfigured()
            try:
                self._settings = load_settings(host_config=self._key)
            except (AttnError, OSError) as error:
                self._failed = True
                self._broken = f"capture stays off: {error}"
                log.warning(self._broken)
        return self._settings

    def _before_save(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For ``doctor``: a host that comes to save a checkpoint is stopped, so that no file of a real training is lost."""

        def save(*args: Any, **kwargs: Any) -> Any:
            if self.probing is not None:
                self.probing.leave()
            return original(*args, **kwargs)

        return save

    def _saved(self, path: str, obj: Any) -> None:
        def tell() -> None:
            capture = self._get_capture()
            if capture is not None:
                capture.checkpoint_saved(path, obj)

        self._guard(tell)

    def _backward(self) -> None:
        if self.capture is not None:
            self.capture.training_backward()
        if self.probing is not None:
            self.probing.backward()

    def _stepped(self) -> None:
        def tell() -> None:
            capture = self._get_capture()
            if capture is not None:
                capture.training_step()

        if self.mode in ("capture", "flag"):
            self._guard(tell)

    def _get_capture(self) -> Capture | None:
        """This process's capture, made when it is first needed: by then the host's config is known."""
        if self.capture is not None or self._failed or self.mode not in ("capture", "flag"):
            return self.capture
        from crysmm_attn_plugin.capture.session import Capture
        from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

        settings = self.settings
        if settings is None:
            return None
        if self.mode == "capture":
            settings = settings.replaced(enabled=True)
        if not settings.enabled:
            self._failed = True
            return None
        if "multiprocessing.util" in sys.modules:  # its children leave without running exit handlers
            sys.modules["multiprocessing.util"].Finalize(None, self.finish, exitpriority=10)
        config = self._host_config or {}
        settings = settings.replaced(arm=settings.arm or self.host.arm(config))
        get_plugin_manager().configure(settings.plugins)
        self.capture = Capture(
            settings,
            info={
                "host": self.host.name(),
                "host_config": config,
                "switch": self.host.switch(config),
                "host_seed": config.get("random_seed"),
                "property": self.host.property_of(config),
                "dataset": self.host.dataset_of(config),
            },
            split_of=self.split_of,
            discover=True,
            place_of=self.loops.place,
            told_later=bool(os.environ.get(PREFIX + "STATUS")),
        )
        return self.capture

    # -- the end -------------------------------------------------------------------------------------------

    def _forked(self) -> None:
        """A forked child starts with nothing captured, and captures its own passes; loader workers make none."""
        parents, self.capture = self.capture, None
        self.pid = os.getpid()
        self._record = None
        if parents is not None:
            parents.abandon()

    def finish(self) -> None:
        """Write what is left; under the launcher it seals the run, else this process does."""
        if self._finished_by == os.getpid() or self.pid != os.getpid():
            return
        self._finished_by = self.pid
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        if self._record is not None:
            self._record.listen(False)
        if self._finder is not None:
            self._finder.remove()
        if self.probing is not None:
            self.probing.write(ended=True)
        capture = self.capture
        alone = self.mode == "flag"
        run_dir = capture.finish(seal_run=alone) if capture is not None else None
        self._write_status()
        if alone and capture is not None and run_dir is not None:
            capture.manager.hooks.run_finished(run_dir=run_dir)

    def _write_status(self) -> None:
        """Tell the launcher how far this process got."""
        folder = os.environ.get(PREFIX + "STATUS")
        if not folder or not (self.capture or self.seen_loaders or self._broken):
            return
        capture = self.capture
        status = {
            "run_dir": str(capture.run_dir) if capture and capture.run_dir else None,
            "captured": sum(o.n_crystals for o in capture.outcomes) if capture else 0,
            "windows": len(capture.outcomes) if capture else 0,
            "failures": [*(capture.failures if capture else ()), *([self._broken] if self._broken else ())],
            "unread": capture.unread if capture else "",
            "loaders": self.seen_loaders,
            "outputs": self._record.hexdigest() if self._record else None,
            "n_outputs": self._record.n_outputs if self._record else 0,
        }
        path = Path(folder) / f"status-{self.pid}.json"
        try:
            path.write_text(json.dumps(status), encoding="utf-8")
        except OSError as error:
            log.debug("status could not be written: %s", error)


def _enabled_elsewhere() -> bool:
    from crysmm_attn_plugin.hooks.contract.manager import load_settings

    try:
        return load_settings().enabled
    except AttnError as error:
        log.warning("capture stays off: %s", error)
        return False
