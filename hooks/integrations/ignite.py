"""A pytorch-ignite handler: every run of an evaluator is captured.

    AttentionCapture(model, out_dir="runs", arm="full", checkpoint="best_val_model.pt").attach(evaluator)
    evaluator.run(test_loader)

Source: events of https://docs.pytorch.org/ignite/generated/ignite.engine.events.Events.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.plugin import attach
from crysmm_attn_plugin.store.writer import new_run_id

if TYPE_CHECKING:
    from ignite.engine import Engine
    from torch import nn

    from crysmm_attn_plugin.plugin import Attached


class AttentionCapture:
    """Captures the passes of an ignite engine, all into one run.

    Args:
        model: The model whose forward takes the batches; None watches whichever is called on them.
        checkpoint: File these weights came from, or a function that says so when a pass begins.
        trainer: The training engine; its epoch is written with each pass.
        split: Split of the loader the engine runs over.
        run_id: Adds to that run; a new one when None, the same on every rank.
        **options: As in ``attach``: out_dir, arm, info, and settings by name.

    Attributes:
        attached: The pass in progress or the last one; None before the first.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        *,
        checkpoint: str | os.PathLike[str] | Callable[[], str | None] | None = None,
        trainer: Engine | None = None,
        split: str = "test",
        run_id: str | None = None,
        **options: Any,
    ) -> None:
        import ignite.distributed as idist

        self._model, self._checkpoint, self._trainer, self._split = model, checkpoint, trainer, split
        run_id = run_id or new_run_id()
        self.run_id = str(idist.broadcast(run_id, src=0)) if idist.get_world_size() > 1 else run_id
        self._options = options
        self._open: Any = None
        self.attached: Attached | None = None

    def attach(self, engine: Engine) -> AttentionCapture:
        """Capture every run of ``engine`` from now on."""
        from ignite.engine import Events

        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.COMPLETED, self._end)
        engine.add_event_handler(Events.TERMINATE, self._end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._failed)
        return self

    def _begin(self, engine: Engine) -> None:
        self._end()
        checkpoint = self._checkpoint() if callable(self._checkpoint) else self._checkpoint
        epoch = self._trainer.state.epoch if self._trainer is not None else None
        self._open = attach(
            self._model,
            loader=engine.state.dataloader,
            checkpoint=checkpoint,
            split=self._split,
            run_id=self.run_id,
            epoch=epoch,
            **self._options,
        )
        self.attached = self._open.__enter__()

    def _end(self, *_: Any) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(None, None, None)

    def _failed(self, engine: Engine, error: BaseException) -> None:
        from ignite.engine import Events

        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(type(error), error, error.__traceback__)
        # an engine swallows an exception as soon as somebody listens to it; that choice is the host's
        if len(engine._event_handlers[Events.EXCEPTION_RAISED]) == 1:
            raise error
