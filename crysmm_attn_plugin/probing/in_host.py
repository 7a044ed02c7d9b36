"""Interventions after each batch of a host's own test pass, asked for by the setting ``probe``.

The host's model is called on the host's own inputs; a copy of both, made before its forward, is what the extra passes take. A
host that cannot be followed so is told why, once, and its pass goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading import calls as outermost
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.explain import why_nothing
from crysmm_attn_plugin.hooks.reading.frames import has_parameters
from crysmm_attn_plugin.hooks.reading.outputs import is_loss
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.probing.prober import ProbeOptions, Prober
from crysmm_attn_plugin.probing.replay import copied_inputs, copied_model, random_states_kept
from crysmm_attn_plugin.settings import INTERVENTIONS

log = logging.getLogger("crysmm_attn")

#: Outermost calls of a batch whose inputs are copied.
MOST_CALLS = 4
#: Batches that may wait until it is decided what their attention is.
MOST_WAITING = 16


def options_of(wanted: tuple[str, ...]) -> ProbeOptions:
    """The setting ``probe`` as options; ``all`` stands for every intervention."""
    return ProbeOptions(INTERVENTIONS if "all" in wanted else tuple(dict.fromkeys(wanted)))


class HostProbe:
    """Probes one pass of a host. No method raises.

    Args:
        options: What is asked for.

    Attributes:
        refused: Why no interventions are made, in a sentence; empty while they are.
    """

    def __init__(self, options: ProbeOptions) -> None:
        self._prober = Prober(options)
        self.refused = ""
        self._calls: list[tuple[int, Any]] = []
        self._waiting: list[Any] = []
        self._batches = 0
        self._twin: nn.Module | None = None

    # -- told of the host's calls ------------------------------------------------------------------------------

    def batch_begins(self) -> None:
        """A batch is handed to the host."""
        if not self.refused:
            self._calls.clear()
            outermost.start(self)

    def call_begins(self, module: nn.Module, inputs: Any) -> None:
        if self.refused or len(self._calls) >= MOST_CALLS or is_loss(module) or not has_parameters(module):
            return
        try:
            with busy.working(), random_states_kept():
                self._calls.append((id(module), copied_inputs(inputs)))
        except Exception as error:
            self.refuse(error)

    def call_ended(self, module: nn.Module, output: Any) -> None:
        return None

    def call_raised(self, module: nn.Module) -> None:
        self._calls.clear()

    def batch_over(self, reader: PassReader) -> None:
        """The host asks for the next batch; ``reader`` has seen what it did with this one."""
        outermost.stop(self)
        if self.refused:
            return
        try:
            if reader.n_batches > self._batches:
                self._batches = reader.n_batches
                self._waiting.append(self._inputs_of(reader))
                if len(self._waiting) > MOST_WAITING:
                    raise CaptureError(
                        "interventions are not made: too many batches pass before it is known what the attention reads."
                    )
        except Exception as error:
            self.refuse(error)
        self._calls.clear()

    def _inputs_of(self, reader: PassReader) -> Any:
        if reader.fetches_ahead:
            raise CaptureError(
                "interventions are not made: the host fetches batches before it calls its model."
            )
        if reader.naming.training:
            raise CaptureError(
                "interventions are not made: the pass runs in training mode, so the model cannot give the same prediction twice."
            )
        roots = reader.naming.roots
        own = [inputs for module, inputs in self._calls if any(module == id(r) for r in roots)]
        if len(roots) != 1 or not own:
            raise CaptureError(
                "interventions are not made: the host calls parts of its model one after another, not one model a batch."
            )
        if self._twin is None:
            with random_states_kept():
                self._twin = copied_model(roots[0])
        return own[0]

    # -- extra passes --------------------------------------------------------------------------------------------

    def take(self, read: ReadBatch, reader: PassReader) -> dict[str, list[Any]]:
        """Probe a batch that has been read.

        Returns:
            Rows of the table ``interventions``; empty where none are made.
        """
        if not self.refused:
            try:
                if not self._waiting or self._twin is None:
                    raise CaptureError(
                        "interventions are not made: the host fetches batches before it calls its model."
                    )
                inputs = self._waiting.pop(0)
                self._prober.add(
                    read,
                    reader.decisions.chosen,
                    _caller(inputs),
                    self._twin,
                    lambda: why_nothing(reader, reader.n_yielded),
                )
            except Exception as error:
                self.refuse(error)
        return self._prober.taken()

    def refuse(self, error: Exception) -> None:
        """Make no more of them; the host's pass goes on."""
        self.refused = str(error) if isinstance(error, CaptureError) else f"{type(error).__name__}: {error}"
        self.close()
        log.warning("%s", self.refused)

    def close(self) -> None:
        """Let go of everything."""
        outermost.stop(self)
        self._calls.clear()
        self._waiting.clear()
        self._twin = None

    def record(self) -> dict[str, Any]:
        """What ``run.json`` keeps: crystals probed, cost of each intervention in plain passes, why it was refused."""
        return {"crystals": self._prober.n_crystals, "costs": self._prober.costs, "refused": self.refused}


def _caller(inputs: Any) -> Callable[[nn.Module], Any]:
    def call(model: nn.Module) -> Any:
        args, kwargs = copied_inputs(inputs)
        with torch.no_grad():
            return model(*args, **kwargs)

    return call
