"""Softmax and fused attention, watched between a batch's yield and the next; the host's own results are handed through.

Everything an attention does passes through ``Tensor.softmax``, ``torch.softmax`` (so also ``F.softmax``, ``nn.Softmax`` and
``nn.MultiheadAttention`` with weights) or ``F.scaled_dot_product_attention`` (so also ``nn.MultiheadAttention`` without
weights and Hugging Face's default kernel). Not seen: the fused encoder's fast path, compiled regions, flex attention,
kernels of other packages, and a softmax written out as exp and sum.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import nn
from torch.jit import _builtins

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading.frames import owner_of
from crysmm_attn_plugin.hooks.reading.fused import FusedInputs, masked
from crysmm_attn_plugin.hooks.reading.projections import Layer
from crysmm_attn_plugin.hooks.reading.streams import recording

Lines = tuple[tuple[str, int], ...]
#: Why a call cannot be read: inside a compiled region, or while a CUDA graph is being recorded.
Hidden = Literal["compiled", "recorded"]


@dataclass
class Seen:
    """One softmax or fused attention of the host.

    Attributes:
        owner: The module whose code called it; None outside any module.
        lines: ((function, line), ...) from the call up to the owner's code.
        held: A copy out of the host's reach: of the weights after the softmax, or of what a fused kernel was given.
        axis: Axis of the keys.
        masked: Where the host masked a score, expandable to that shape; None when nothing was masked.
        fused: Of a fused kernel.
        live: The tensor a gradient would come back through, when there is one.
        outer: Number of the outermost module call it happened in.
        layers: Linear layers of the owner that ran before it, while a baseline is wanted.
        shown: What ``masked`` shows of each way to lay it out, as far as that was looked at.
    """

    owner: nn.Module | None
    lines: Lines
    held: torch.Tensor | FusedInputs
    axis: int
    masked: torch.Tensor | None
    fused: bool = False
    live: torch.Tensor | None = None
    outer: int = 0
    layers: tuple[Layer, ...] = ()
    shown: dict[Any, Any] = field(default_factory=dict)

    @property
    def shape(self) -> torch.Size:
        """Of the weights."""
        return self.held.shape

    @property
    def weights(self) -> torch.Tensor:
        """After the softmax, detached; those of a fused kernel are worked out when they are first asked for."""
        if isinstance(self.held, FusedInputs):
            self.held = self.held.weights()
        return self.held

    @property
    def outline(self) -> torch.Tensor:
        """The weights where they are there, else numbers of no meaning that take no memory; of the weights' shape."""
        return (
            self.held
            if isinstance(self.held, torch.Tensor)
            else self.held.query.new_empty(()).expand(self.shape)
        )

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """What is held."""
        held = (self.held,) if isinstance(self.held, torch.Tensor) else self.held.tensors
        return held if self.masked is None else (*held, self.masked)


class Listener(Protocol):
    """Asked about, and told of, each attention-like call. Must not raise.

    Attributes:
        copies: Whether it wants the numbers, out of the host's reach; else only what a gradient comes back through.
    """

    copies: bool

    def wants(self, owner: nn.Module | None, lines: Lines, shape: torch.Size) -> bool:
        """False spares the copy of a map that is known to be of no use."""

    def seen(self, item: Seen) -> None:
        """One call."""

    def hidden(self, how: Hidden) -> None:
        """A call whose module, or whose numbers, cannot be told."""

    def fault(self, error: Exception) -> None:
        """Something of ours went wrong; the host's call was not affected."""


_listeners: tuple[Listener, ...] = ()
_tensor_softmax = torch.Tensor.softmax
_torch_softmax = torch.softmax
_special_softmax = torch.special.softmax
_fused = F.scaled_dot_product_attention


def _softmax_method(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    if torch.compiler.is_compiling():
        return _tensor_softmax(self, *args, **kwargs)
    result = _tensor_softmax(self, *args, **kwargs)
    if _listeners:
        _look(self, result, args, kwargs)
    return result


def _softmax_function(input: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    if torch.compiler.is_compiling():
        return _torch_softmax(input, *args, **kwargs)
    result = _torch_softmax(input, *args, **kwargs)
    if _listeners:
        _look(input, result, args, kwargs)
    return result


def _special(input: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    if torch.compiler.is_compiling():
        compiled: torch.Tensor = _special_softmax(input, *args, **kwargs)
        return compiled
    result: torch.Tensor = _special_softmax(input, *args, **kwargs)
    if _listeners:
        _look(input, result, args, kwargs)
    return result


def _attention(*args: Any, **kwargs: Any) -> torch.Tensor:
    if torch.compiler.is_compiling():
        return _fused(*args, **kwargs)
    result = _fused(*args, **kwargs)
    if _listeners:
        _look_fused(args, kwargs)
    return result


#: (owner of the name, name, the host's own function, ours). One object each, for ever: a compiler that guards on identity
#: meets two functions at most.
_PLACES: tuple[tuple[Any, str, Any, Any], ...] = (
    (torch.Tensor, "softmax", _tensor_softmax, _softmax_method),
    (torch, "softmax", _torch_softmax, _softmax_function),
    (torch.special, "softmax", _special_softmax, _special),
    (F, "scaled_dot_product_attention", _fused, _attention),
)


def _own() -> bool:
    return busy.ours() or bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def _plain(tensor: Any) -> bool:
    """An ordinary tensor with numbers in it, not a tracer's or a transform's stand-in."""
    return (
        type(tensor) in (torch.Tensor, nn.Parameter)
        and tensor.is_floating_point()
        and not tensor.is_meta
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def _look(scores: Any, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if _own() or not _plain(result) or not _plain(scores):
        return
    dim = kwargs.get("dim", args[0] if args else None)
    if not isinstance(dim, int) or result.ndim < 2 or not result.numel():
        return
    axis = dim % result.ndim
    live = result if result.requires_grad else None

    def make(owner: nn.Module | None, lines: Lines, copy: bool) -> Seen:
        if not copy:
            return Seen(owner, lines, result.detach(), axis, None, live=live)
        return Seen(owner, lines, result.detach().clone(), axis, masked(scores), live=live)

    _tell(result.shape, make)


def _look_fused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given: dict[str, Any] = {**dict(zip(names, args)), **kwargs}
    query: Any = given.get("query")
    key: Any = given.get("key")
    if _own() or not _plain(query) or not _plain(key):
        return
    live = query if query.requires_grad else None

    def make(owner: nn.Module | None, lines: Lines, copy: bool) -> Seen:
        if not copy:
            return Seen(owner, lines, query.detach(), query.ndim - 1, None, True, live)
        parts = {k: v for k, v in given.items() if k not in ("value", "dropout_p")}
        kept: dict[str, Any] = {
            k: v.detach().clone() if isinstance(v, torch.Tensor) else v for k, v in parts.items()
        }
        inputs = FusedInputs(**kept)
        return Seen(owner, lines, inputs, len(inputs.shape) - 1, inputs.masked(), True, live)

    _tell(torch.Size((*query.shape[:-1], key.shape[-2])), make)


def _tell(shape: torch.Size, make: Callable[[nn.Module | None, Lines, bool], Seen]) -> None:
    """Tell every listener that wants it; a fault of ours is theirs to hear of, never the host's."""
    for listener in _listeners:
        try:
            with busy.working():
                if recording():
                    listener.hidden("recorded")
                    continue
                owner, lines, generated = owner_of(sys._getframe(3))
                if generated:
                    listener.hidden("compiled")
                elif listener.wants(owner, lines, shape):
                    with torch.no_grad():
                        listener.seen(make(owner, lines, listener.copies))
        except Exception as error:
            listener.fault(error)


# -- putting it there and taking it away ----------------------------------------------------------------------


class Watch:
    """Turns the watching on and off, many times in a pass; the names are put back each time it is off.

    Args:
        listener: Who is told.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._aliases: list[tuple[dict[str, Any], str, Any, Any]] | None = None
        self.on = False

    def start(self) -> None:
        """From now on the listener is told."""
        global _listeners
        if self.on:
            return
        if self._aliases is None:
            self._aliases = list(_host_aliases())
            _known_to_scripting()
        _listeners = (*_listeners, self._listener)
        for owner, name, _, ours in _PLACES:
            if _current(owner, name) in _ORIGINALS:
                setattr(owner, name, ours)
        for names, name, _, ours in self._aliases:
            names[name] = ours
        self.on = True

    def stop(self) -> None:
        """Put every name back that is still ours."""
        global _listeners
        if not self.on:
            return
        self.on = False
        _listeners = tuple(x for x in _listeners if x is not self._listener)
        if _listeners:
            return
        for owner, name, original, ours in _PLACES:
            if _current(owner, name) is not ours:
                continue
            if owner is torch.Tensor and not _OWN_SOFTMAX:
                del torch.Tensor.softmax  # it stands on the base class
            else:
                setattr(owner, name, original)
        for names, name, original, ours in self._aliases or ():
            if names.get(name) is ours:
                names[name] = original


_OWN_SOFTMAX = "softmax" in vars(torch.Tensor)
_ORIGINALS = (_tensor_softmax, _torch_softmax, _special_softmax, _fused)


def _current(owner: Any, name: str) -> Any:
    return getattr(owner, name, None)


def _host_aliases() -> Iterator[tuple[dict[str, Any], str, Any, Any]]:
    """Names in modules of the host's that were bound to a primitive at import: ``from torch import softmax``."""
    ours = {id(original): mine for _, _, original, mine in _PLACES if original is not _tensor_softmax}
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or module.__name__.split(".")[0] in (
            "torch",
            "crysmm_attn_plugin",
        ):
            continue
        names = vars(module)
        for name in ("softmax", "scaled_dot_product_attention", "sdpa", "attention"):
            value = names.get(name)
            if id(value) in ours:
                yield names, name, value, ours[id(value)]
        if module.__name__ == "__main__":
            for name, value in list(names.items()):
                if id(value) in ours and name not in (
                    "softmax",
                    "scaled_dot_product_attention",
                    "sdpa",
                    "attention",
                ):
                    yield names, name, value, ours[id(value)]


def _known_to_scripting() -> None:
    """``torch.jit.script`` inside the loop must take our functions for what they stand for."""
    register: Callable[[Any, str], None] = _builtins._register_builtin
    for _, _, original, ours in _PLACES:
        operator = _builtins._find_builtin(original)
        if operator is not None:
            register(ours, operator)


@contextmanager
def watched(listener: Listener) -> Iterator[None]:
    """Watch for the duration of a block."""
    watch = Watch(listener)
    watch.start()
    try:
        yield
    finally:
        watch.stop()
