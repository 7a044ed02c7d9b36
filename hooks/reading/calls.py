"""Outermost module calls between a batch's yield and the next: which model reads the batch, and what it puts out.

``nn.Module.__call__`` is exchanged on the class for the length of a pass, never on a module, so hooks, copies and exports
of the host's models are what they were.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading.streams import recording


class Listener(Protocol):
    """Told of outermost calls. Must not raise."""

    def call_begins(self, module: nn.Module, inputs: Any) -> None:
        """The host calls a module, not from within another, with ``inputs`` (arguments, keyword arguments)."""

    def call_ended(self, module: nn.Module, output: Any) -> None:
        """It returned ``output``."""

    def call_raised(self, module: nn.Module) -> None:
        """It raised."""


_original = nn.Module.__call__
_listeners: tuple[Listener, ...] = ()
_depth = 0


def _call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    if torch.compiler.is_compiling():
        return _original(self, *args, **kwargs)
    global _depth
    listeners = _listeners
    if not listeners or _depth or busy.ours() or recording():
        return _original(self, *args, **kwargs)
    _depth += 1
    for listener in listeners:
        listener.call_begins(self, (args, kwargs))
    try:
        output = _original(self, *args, **kwargs)
    except BaseException:
        for listener in listeners:
            listener.call_raised(self)
        raise
    finally:
        _depth -= 1
    for listener in listeners:
        listener.call_ended(self, output)
    return output


def start(listener: Listener) -> None:
    """Tell ``listener`` from now on."""
    global _listeners, _depth
    if listener not in _listeners:
        _listeners = (*_listeners, listener)
    if nn.Module.__call__ is _original:
        _depth = 0
        nn.Module.__call__ = _call  # type: ignore[method-assign]


def pause(listener: Listener) -> None:
    """Tell it no more until it is started again; the class stays exchanged, as to change it empties what Python remembers of
    the methods of every module's class, which costs a host with one crystal a batch three hundredths of its loop."""
    global _listeners
    _listeners = tuple(x for x in _listeners if x is not listener)


def stop(listener: Listener) -> None:
    """Tell it no more; the class is put back when nobody is left."""
    pause(listener)
    if not _listeners and nn.Module.__call__ is _call:
        nn.Module.__call__ = _original  # type: ignore[method-assign]
