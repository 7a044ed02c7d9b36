"""Extra passes of a copy of the model: the host's own model, its random numbers and its batches stay as they are."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading.outputs import tensor_of
from crysmm_attn_plugin.hooks.reading.tokenizers import unwatched

#: Two passes of one model over one batch agree within these: single precision, and half precision.
RTOL = {torch.float64: 1e-6, torch.float32: 1e-4}
RTOL_HALF, ATOL = 2e-2, 1e-5


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Give back the states of Python's, numpy's and torch's random numbers as they were, on every device."""
    python, legacy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def copied_model(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, without the hooks that a host laid on its modules (those of ``torch.nn.utils`` stay).

    Raises:
        CaptureError: When it cannot be copied.
    """
    inner = model
    while isinstance(inner, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        inner = inner.module
    try:
        with torch.no_grad():
            twin = copy.deepcopy(inner)
    except Exception as error:  # whatever a host's own objects raise when they are copied
        raise CaptureError(
            f"interventions need a copy of the model, and {type(inner).__name__} cannot be copied "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]})."
        ) from error
    for module in twin.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [k for k, hook in hooks.items() if not _of_torch(hook)]:
                del hooks[key]
    return twin.eval()


def _of_torch(hook: Any) -> bool:
    """A hook that computes the weights themselves, as weight and spectral norm lay them."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.nn.utils")


def copied_inputs(inputs: Any) -> Any:
    """Inputs of a model, out of the host's reach.

    Raises:
        CaptureError: When they cannot be copied.
    """
    try:
        with torch.no_grad():
            return copy.deepcopy(inputs)
    except Exception as error:
        raise CaptureError(
            f"interventions need a copy of each batch, and this host's cannot be copied ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]})."
        ) from error


class Replay:
    """One batch, as often as it is asked for.

    Args:
        call: Calls the model on the batch: (model) -> its output.
        model: The copy.
        n: Crystals of the batch.

    Attributes:
        seconds: Of the latest pass.
    """

    def __init__(self, call: Callable[[nn.Module], Any], model: nn.Module, n: int) -> None:
        self._call, self._model, self._n = call, model, n
        self.seconds = 0.0

    def __call__(self) -> np.ndarray:
        """(n,) predictions.

        Raises:
            CaptureError: When the model gives no single number a crystal, or fails on inputs it has taken before.
        """
        started = time.perf_counter()
        try:
            with (
                torch.no_grad(), busy.working(), unwatched(), contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):  # fmt: skip
                found = tensor_of(self._call(self._model))
        except CaptureError:
            raise
        except Exception as error:
            raise CaptureError(
                f"the model cannot be called again on a batch it has read ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}); no interventions are made."
            ) from error
        if found is None or found.numel() != self._n or not found.is_floating_point():
            shape = "no tensor" if found is None else f"a tensor of shape {tuple(found.shape)}"
            raise CaptureError(
                f"interventions are measured on one predicted number a crystal; for {self._n} crystals a call of the model gave "
                f"{shape}."
            )
        values = found.detach().reshape(-1).double().cpu().numpy()
        self.seconds = time.perf_counter() - started
        return values


def same_predictions(first: np.ndarray, again: np.ndarray, dtype: torch.dtype) -> bool:
    """Whether two passes over one batch gave the same numbers, within what a device's arithmetic leaves open."""
    return bool(np.allclose(first, again, rtol=RTOL.get(dtype, RTOL_HALF), atol=ATOL, equal_nan=True))
