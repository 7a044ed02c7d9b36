"""A Lightning callback: the trainer's test passes are captured.

    Trainer(callbacks=[AttentionCapture(out_dir="runs", arm="full")]).test(module, dataloaders=test_loader)

Source: hooks of https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.Callback.html
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from crysmm_attn_plugin.plugin import attach
from crysmm_attn_plugin.store.writer import new_run_id

if TYPE_CHECKING or importlib.util.find_spec("lightning") is not None:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    from pytorch_lightning import Callback, LightningModule, Trainer

if TYPE_CHECKING:
    from crysmm_attn_plugin.plugin import Attached

#: Lightning's stage -> split.
STAGES = {"test": "test", "validate": "val"}


class AttentionCapture(Callback):
    """Captures the passes of ``trainer.test`` (and of ``trainer.validate`` when asked), all into one run.

    Args:
        model: Name of the module's attribute whose forward takes the batches, for example ``"net"``; empty watches
            whichever module is called on them.
        stages: ``test``, ``validate`` or both.
        run_id: Adds to that run; a new one, the same on every rank, when None.
        **options: As in ``attach``: out_dir, arm, info, and settings by name.

    Attributes:
        attached: The pass in progress or the last one; None before the first.
    """

    def __init__(
        self,
        model: str = "",
        *,
        stages: tuple[str, ...] = ("test",),
        run_id: str | None = None,
        **options: Any,
    ) -> None:
        self._model, self._stages, self.run_id, self._options = model, stages, run_id, options
        self._open: Any = None
        self.attached: Attached | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before the trainer makes its loops: follow every loader of this stage."""
        if stage not in self._stages or stage not in STAGES:
            return

        self._end()
        self.run_id = self.run_id or trainer.strategy.broadcast(new_run_id())
        self._open = attach(
            pl_module.get_submodule(self._model) if self._model else None,
            loader=DataLoader,
            checkpoint=trainer.ckpt_path or None,
            split=STAGES[stage],
            run_id=self.run_id,
            **self._options,
        )
        self.attached = self._open.__enter__()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The checkpoint to be tested has been loaded by now."""
        if self._open is not None and self.attached is not None:
            self.attached.checkpoint = trainer.ckpt_path or None

    on_validation_start = on_test_start

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """The stage is over: write what was captured."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """The host's own failure: what was captured until then is kept and called partial."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(type(exception), exception, exception.__traceback__)

    def _end(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(None, None, None)
