"""For modules that return weights only on request: a second call, for capture alone, asks for them.

The host's own call and result are left as they are: asking ``nn.MultiheadAttention`` for weights moves its output in
the last bits, and some Hugging Face modules change kernels when they are asked.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks.taps.base import HookTap, parameter_names

#: Parameters by which modules are asked for their weights.
REQUEST_NAMES = ("return_attention", "return_attention_weights", "return_attn", "return_weights", "output_attentions")


class SecondCallTap(HookTap):
    """Calls the module again, without gradients and in evaluation mode, asking for per-head weights."""

    how = "second call (asks for weights, result discarded)"

    def _place(self) -> None:
        self._handles.append(self.module.register_forward_hook(self._after, with_kwargs=True))

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if self._emit is None:
            return
        twin = evaluation_twin(module)
        with torch.no_grad():
            result = twin.forward(*args, **{**kwargs, **request(module)})
        for direction, weights in returned_weights(result):
            self._give(weights, direction)


def request(module: nn.Module) -> dict[str, Any]:
    """Keyword arguments that ask ``module`` for per-head weights; empty when it cannot be asked."""
    if isinstance(module, nn.MultiheadAttention):
        return {"need_weights": True, "average_attn_weights": False}
    for name in REQUEST_NAMES:
        if name in parameter_names(module):
            return {name: True}
    return {}


def evaluation_twin(module: nn.Module) -> nn.Module:
    """A shallow copy that shares every parameter but is in evaluation mode, children included."""
    twin = copy.copy(module)
    twin.training = False
    twin._modules = {
        name: evaluation_twin(child) if child is not None else None for name, child in module._modules.items()
    }
    return twin


def returned_weights(result: Any) -> list[tuple[str, torch.Tensor]]:
    """Attention weights in a module's return value: (direction or empty, (batch, heads, queries, keys))."""
    if isinstance(result, Mapping):
        found = [
            (str(k) if k in ("atom_to_text", "text_to_atom") else "", v)
            for k, v in result.items()
            if isinstance(v, torch.Tensor) and v.ndim == 4
        ]
        nested = [pair for v in result.values() if isinstance(v, Mapping) for pair in returned_weights(v)]
        return found + nested
    if isinstance(result, (tuple, list)):
        for item in reversed(result):
            if isinstance(item, torch.Tensor) and item.ndim == 4:
                return [("", item)]
            if isinstance(item, (Mapping, tuple, list)):
                found = returned_weights(item)
                if found:
                    return found
    return []
