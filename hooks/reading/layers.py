"""Linear layers and look-ups, watched while a batch is at work; the host's own results are handed through."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch.jit import _builtins

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading.streams import recording


class LayerListener(Protocol):
    """Told of every layer. Must not raise."""

    def went_through(self, value: Any, weight: Any, bias: Any, *, linear: bool) -> None:
        """``value`` went through a linear layer of ``weight`` and ``bias``, or was looked up in the table ``weight``."""


_linear: Any = F.linear
_embedding: Any = torch.embedding
_listeners: tuple[LayerListener, ...] = ()


def _watched_linear(*args: Any, **kwargs: Any) -> Any:
    result = _linear(*args, **kwargs)
    if _listeners and not torch.compiler.is_compiling() and not busy.ours() and not recording():
        given = dict(zip(("input", "weight", "bias"), args)) | kwargs
        for listener in _listeners:
            listener.went_through(given.get("input"), given.get("weight"), given.get("bias"), linear=True)
    return result


def _watched_embedding(*args: Any, **kwargs: Any) -> Any:
    result = _embedding(*args, **kwargs)
    if _listeners and not torch.compiler.is_compiling() and not busy.ours() and not recording():
        given = dict(zip(("weight", "indices"), args)) | kwargs
        for listener in _listeners:
            listener.went_through(given.get("indices"), given.get("weight"), None, linear=False)
    return result


_PLACES = (
    (F, "linear", _linear, _watched_linear, "aten::linear"),
    (torch, "embedding", _embedding, _watched_embedding, "aten::embedding"),
)


def start(listener: LayerListener) -> None:
    """Tell ``listener`` from now on."""
    global _listeners
    if listener not in _listeners:
        _listeners = (*_listeners, listener)
    for owner, name, original, ours, operator in _PLACES:
        if getattr(owner, name) is original:
            register: Any = _builtins._register_builtin
            register(ours, operator)
            setattr(owner, name, ours)


def stop(listener: LayerListener) -> None:
    """Tell it no more; every name that is still ours is put back when nobody is left."""
    global _listeners
    _listeners = tuple(x for x in _listeners if x is not listener)
    if _listeners:
        return
    for owner, name, original, ours, _ in _PLACES:
        if getattr(owner, name) is ours:
            setattr(owner, name, original)
