"""For modules that return weights only on request: a second call, for capture alone, asks for them.

The host's own call and result are left as they are: asking ``nn.MultiheadAttention`` for weights moves its output in
the last bits, and some Hugging Face modules change kernels when they are asked.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks.taps.base import HookTap, parameter_names

#: Parameters by which modules are asked for their weights.
REQUEST_NAMES = (
    "return_attention", "return_attention_weights", "return_attn", "return_attn_weights", "return_weights",
    "need_weights", "output_attentions",
)  # fmt: skip


class SecondCallTap(HookTap):
    """Calls the module again, without gradients and in evaluation mode, asking for per-head weights."""

    how = "second call (asks for weights, result discarded)"

    def _place(self) -> None:
        self._handles.append(self.module.register_forward_hook(self._after, with_kwargs=True))

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super()._before(module, args, kwargs)
        self._versions = versions(args, kwargs)

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        for direction, weights in ask_again(module, args, kwargs, self._versions):
            self._give(weights, direction)


def request(module: nn.Module) -> dict[str, Any]:
    """Keyword arguments that ask ``module`` for per-head weights; empty when it cannot be asked."""
    if isinstance(module, nn.MultiheadAttention):
        return {"need_weights": True, "average_attn_weights": False}
    for name in REQUEST_NAMES:
        if name in parameter_names(module):
            return {name: True}
    return {}


def ask_again(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: list[int | None]
) -> list[tuple[str, torch.Tensor]]:
    """Weights from a second call with copies of the arguments; random generators stay where they are.

    Args:
        module: The module, after its own call.
        args, kwargs: Of that call.
        before: ``versions`` of them before it.

    Raises:
        CaptureError: When the module changed its arguments in place, so that asking again means something else.
    """
    if versions(args, kwargs) != before:
        raise CaptureError(
            f"{type(module).__name__} changes its inputs in place, so it cannot be asked for its weights a second time"
        )
    named, positional = dict(kwargs), list(args)
    names = parameter_names(module)
    for name, value in request(module).items():
        place = names.index(name) if name in names else len(positional)
        if place < len(positional):
            positional[place] = value
        else:
            named[name] = value
    twin = evaluation_twin(module)
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.is_cuda})
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        result = twin.forward(*copied(positional), **copied(named))
    return returned_weights(result)


def versions(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[int | None]:
    """How often each tensor argument has been written to; None where torch does not count."""
    tensors = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
    return [None if t.is_inference() else t._version for t in tensors]


def copied(value: Any) -> Any:
    """Arguments of a call with tensors of their own, whatever a module may write to."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return type(value)(copied(v) for v in value)
    if type(value) is dict:
        return {k: copied(v) for k, v in value.items()}
    return value


def evaluation_twin(module: nn.Module) -> nn.Module:
    """A shallow copy that shares every parameter but is in evaluation mode and has no hooks, children included."""
    twin = copy.copy(module)
    twin.training = False
    for table in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        if hasattr(twin, table):
            setattr(twin, table, OrderedDict())
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
