"""Attention weights exchanged for others while a block runs: for extra passes that are ours, never for a host's own.

The same primitives as in ``watch``; what a fused kernel would have formed is formed, exchanged and applied to the values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks.reading import watch
from crysmm_attn_plugin.hooks.reading.frames import owner_of
from crysmm_attn_plugin.hooks.reading.fused import fused_scores
from crysmm_attn_plugin.hooks.reading.watch import Lines

#: Asked at every attention-like call: module, lines, scores, weights and the keys' axis; returns other weights or None.
Exchange = Callable[[nn.Module | None, Lines, torch.Tensor, torch.Tensor, int], torch.Tensor | None]

_softmax = watch._tensor_softmax
_fused = watch._fused


#: Names that modules bound to a primitive when they were imported, as ``watch`` finds them.
Aliases = list[tuple[dict[str, Any], str, Any, Any]]


def aliases() -> Aliases:
    """Every such name there is now; looked for once and used for many passes."""
    return list(watch._host_aliases())


@contextmanager
def replacing(exchange: Exchange, known: Aliases | None = None) -> Iterator[None]:
    """Hand every attention-like call of the block to ``exchange``; the primitives are put back as they were found.

    Args:
        exchange: Returns the weights to go on with, shaped like those it was given, or None to leave them. What it raises
            goes through the model's forward to the caller.
        known: What ``aliases`` found; looked for when None.
    """

    def method(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _exchanged(exchange, self, _softmax(self, *args, **kwargs), args, kwargs, sys._getframe(1))

    def function(input: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        result = watch._torch_softmax(input, *args, **kwargs)
        return _exchanged(exchange, input, result, args, kwargs, sys._getframe(1))

    def attention(*args: Any, **kwargs: Any) -> torch.Tensor:
        return _attended(exchange, args, kwargs, sys._getframe(1))

    ours = {
        id(original): mine
        for (_, _, original, _), mine in zip(watch._PLACES, (method, function, function, attention))
    }
    undo: list[Callable[[], None]] = []
    try:
        for owner, name, original, _ in watch._PLACES:
            undo.append(_put(owner, name, ours[id(original)]))
        for names, name, original, _ in aliases() if known is None else known:
            undo.append(_put_name(names, name, ours[id(original)]))
        yield
    finally:
        for back in reversed(undo):
            back()


def _put(owner: Any, name: str, mine: Any) -> Callable[[], None]:
    if name not in vars(owner):  # it stands on a base class
        setattr(owner, name, mine)
        return lambda: delattr(owner, name)
    before = vars(owner)[name]
    setattr(owner, name, mine)
    return lambda: setattr(owner, name, before)


def _put_name(names: dict[str, Any], name: str, mine: Any) -> Callable[[], None]:
    before = names[name]
    names[name] = mine
    return lambda: names.__setitem__(name, before)


def _exchanged(
    exchange: Exchange,
    scores: Any,
    result: torch.Tensor,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    frame: FrameType,
) -> torch.Tensor:
    dim = kwargs.get("dim", args[0] if args else None)
    if not watch._plain(result) or not watch._plain(scores) or not isinstance(dim, int) or result.ndim < 2:
        return result
    owner, lines, _ = owner_of(frame)
    found = exchange(owner, lines, scores, result, dim % result.ndim)
    return result if found is None else found


def _attended(
    exchange: Exchange, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> torch.Tensor:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given: dict[str, Any] = {**dict(zip(names, args)), **kwargs}
    query, key, value = (given.get(n) for n in ("query", "key", "value"))
    if not watch._plain(query) or not watch._plain(key) or not isinstance(value, torch.Tensor):
        return _fused(*args, **kwargs)
    assert isinstance(query, torch.Tensor)
    assert isinstance(key, torch.Tensor)
    scores = fused_scores(**{k: v for k, v in given.items() if k not in ("value", "dropout_p")})
    owner, lines, _ = owner_of(frame)
    found = exchange(owner, lines, scores, _softmax(scores, -1), scores.ndim - 1)
    if found is None:
        return _fused(*args, **kwargs)
    if given.get("enable_gqa"):
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], dim=-3)
    return (found.to(value.dtype) @ value).to(query.dtype)
