"""The default tap: look at the weights where the module's own forward makes and uses them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks.taps.base import ALWAYS, HookTap, looks_like_attention
from crysmm_attn_plugin.hooks.taps.kernels import KernelWatch
from crysmm_attn_plugin.hooks.taps.second_call import ask_again, request, returned_weights, versions


class ObserveTap(HookTap):
    """Sees weights on their way into a direct child ``nn.Dropout``, else as they leave a softmax; changes nothing.

    Where neither saw any in a call, weights in what the module returned are taken, and last the module is asked for them
    in a second call. A dropout or softmax of features is told apart by shape and by rows that do not sum to one.
    """

    how = "observe (the module's own softmax and dropout)"

    def _place(self) -> None:
        self._open: list[tuple[KernelWatch, list[torch.Tensor], Any]] = []
        self._handles.append(self.module.register_forward_hook(self._after, with_kwargs=True, **ALWAYS))
        for child in attention_dropouts(self.module):
            self._handles.append(child.register_forward_pre_hook(self._see))

    def remove(self) -> None:
        while getattr(self, "_open", None):
            self._open.pop()[0].stop()
        super().remove()

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super()._before(module, args, kwargs)
        watch = KernelWatch()
        self._open.append((watch, [], versions(args, kwargs)))
        watch.start()

    def _see(self, dropout: nn.Module, args: tuple[Any, ...]) -> None:
        value = args[0] if args else None
        if self._open and isinstance(value, torch.Tensor) and looks_like_attention(value):
            self._open[-1][1].append(value)

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if not self._open:
            return
        watch, dropped, before = self._open.pop()
        watch.stop()
        if watch.error is not None:
            raise CaptureError(
                f"the weights of {self.name} could not be formed: {watch.error}"
            ) from watch.error
        if output is None:  # the module's forward raised
            return
        # what the dropout is handed may have been masked after the softmax, so it goes first
        seen = dropped if len(dropped) >= len(watch.seen) else watch.seen
        for weights in seen:
            self._give(weights)
        if not seen:
            found = returned_weights(output)
            if not found and request(module):
                found = ask_again(module, args, kwargs, before)
            for direction, weights in found:
                self._give(weights, direction)


class FusedTap(ObserveTap):
    """The same for modules that never form the weights: they are made from the fused kernel's query and key."""

    how = "recompute (from query and key of the fused kernel)"


def attention_dropouts(module: nn.Module) -> list[nn.Module]:
    """Direct children that may be handed attention weights."""
    return [child for child in module.children() if isinstance(child, nn.Dropout)]
