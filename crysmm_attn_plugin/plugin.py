"""The plugin object: ``Capture`` for a whole process, ``attach`` for three lines in a host's own code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.capture.session import Capture, silence_if_unconfigured
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.checkpoint_files import role_of
from crysmm_attn_plugin.hooks.contract.manager import load_settings
from crysmm_attn_plugin.records import Checkpoint, WindowOutcome
from crysmm_attn_plugin.settings import Settings

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger("crysmm_attn")

__all__ = ["Attached", "Capture", "attach"]


class Attached:
    """What ``attach`` yields.

    Attributes:
        run_dir: The run's folder; None until something was written.
        outcome: How the pass ended; None while it is going on, or when nothing was captured.
        modules: Names of the attention modules that were read so far.
        checkpoint: File the weights came from; may be set until the pass ends.
    """

    def __init__(self, capture: Capture, checkpoint: str | os.PathLike[str] | None = None) -> None:
        self._capture = capture
        self.checkpoint = checkpoint

    @property
    def modules(self) -> tuple[str, ...]:
        return self._capture.modules

    @property
    def run_dir(self) -> Path | None:
        return self._capture.run_dir

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why nothing was captured, where that is so."""
        return tuple(self._capture.failures)

    @property
    def on_raw(self) -> Callable[[Any, Any], None] | None:
        """Called with each ``AttentionCall``, padding and all, and the batch's identity."""
        return self._capture.on_raw

    @on_raw.setter
    def on_raw(self, listener: Callable[[Any, Any], None] | None) -> None:
        self._capture.on_raw = listener

    def probe_gradients(self, forward: Callable[[], Any]) -> None:
        """Find attention that the model's output does not depend on, by one backward pass of a sum.

        The pass that follows calls its directions untrained: no gradient can have reached their weights.

        Args:
            forward: Runs the attached model once; outside any captured loop. No gradient is left on a parameter.
        """
        self._capture.probe_gradients(forward)

    @property
    def outcome(self) -> WindowOutcome | None:
        return self._capture.outcomes[-1] if self._capture.outcomes else None


@contextmanager
def attach(
    model: nn.Module | None,
    *,
    loader: Any,
    out_dir: str | os.PathLike[str] | None = None,
    arm: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    split: str = "test",
    run_id: str | None = None,
    epoch: int | None = None,
    settings: Settings | None = None,
    info: dict[str, Any] | None = None,
    **overrides: Any,
) -> Iterator[Attached]:
    """Capture the attention of ``model`` while the host loops over ``loader``.

    Args:
        model: The model that takes the loader's batches, whose weights and module names count; None finds it by itself.
        loader: The loader the host is about to iterate (a torch ``DataLoader``). A class follows every loop over its
            instances.
        out_dir: Folder of runs; ``<out_dir>/<arm>/<run id>/`` is written.
        arm: Name of the ablation arm.
        checkpoint: File these weights came from; names the checkpoint and its role (best_val, best_test, last).
        split: Split the loader serves.
        run_id: Adds to that run (several checkpoints of one training); a new run when None.
        epoch: Epoch of these weights, where the host knows it.
        settings: Settings to start from; ``load_settings()`` when None. Attaching is enabling.
        info: What the host knows of itself, for ``run.json``: host_config, host_seed, property, dataset, unit.
        **overrides: Settings by name, for example ``maps="all"``, ``strict=True``.

    Yields:
        ``Attached``, with ``run_dir`` and ``outcome``.

    Raises:
        UsageError: On an unknown setting in this call, before the host's loop begins. One in ``crysmm_attn.toml`` or
            a ``CRYSMM_ATTN_*`` variable is logged and capture stays off; with ``strict`` it is raised too.
        CaptureError: With ``strict``, when the pass cannot be captured. Otherwise a failure of the capture is logged
            and the host's loop goes on; an exception of the host's passes through unchanged.
    """
    named = {"out_dir": os.fspath(out_dir) if out_dir is not None else None, "arm": arm, **overrides}
    silence_if_unconfigured()
    try:
        found = settings or load_settings()
    except (UsageError, OSError) as error:  # a file or a variable, which this script may know nothing of
        if Settings().replaced(**named).strict:
            raise
        yield _staying_off(error)
        return
    chosen = found.replaced(**named)
    chosen = chosen.replaced(enabled=True, splits=tuple(dict.fromkeys((*chosen.splits, split))))
    capture = Capture(chosen, info=dict(info or {}), run_id=run_id, discover=model is None)
    capture.manager.configure(chosen.plugins)
    try:
        if isinstance(loader, type):
            capture.split_of = lambda _: split
            capture.listen_to(loader)
        else:
            capture.watch_loader(loader, split)
    except TypeError as error:
        raise UsageError(f"attach: {error}.") from error
    if model is not None:
        capture.watch_model(model)
    attached = Attached(capture, checkpoint)
    try:
        yield attached
    except BaseException as error:
        _name_checkpoint(capture, attached.checkpoint, epoch)
        capture.finish(state="partial", reason=f"the host's loop ended in {type(error).__name__}: {error}")
        raise
    _name_checkpoint(capture, attached.checkpoint, epoch)
    capture.finish()


def _staying_off(error: Exception) -> Attached:
    """What is yielded where the settings cannot be read: nothing is watched, and the reason is said."""
    reason = f"capture stays off: {error}"
    log.warning("%s", reason)
    capture = Capture(Settings())
    capture.failures.append(reason)
    return Attached(capture)


def _name_checkpoint(capture: Capture, path: str | os.PathLike[str] | None, epoch: int | None) -> None:
    """Say which file and epoch the weights of the pass are."""
    if not capture.last_digest or (path is None and epoch is None):
        return
    files = () if path is None else (os.fspath(path),)
    role = "epoch" if path is None else role_of(path)
    capture.checkpoints.name(files[0] if files else "", Checkpoint(capture.last_digest, files, role, epoch))
