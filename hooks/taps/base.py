"""What a tap is, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn


@dataclass
class RawAttention:
    """Weights as a tap saw them; direction and masks may still be open.

    Attributes:
        module: Qualified name of the attention module.
        order: How many weights the module's current call had produced before this one.
        weights: (batch, heads, queries, keys) after softmax, before dropout, detached.
        direction: Direction, where the module names it; else empty (decided by lengths later).
        masks: Mask arguments of the module's call by name, (batch, n) bool, True where real.
    """

    module: str
    order: int
    weights: torch.Tensor
    direction: str = ""
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)


Emit = Callable[[RawAttention], None]


@runtime_checkable
class Tap(Protocol):
    """Reads one module's attention. Installed only while a pass is captured."""

    name: str
    module: nn.Module
    how: str

    def install(self, emit: Emit) -> None:
        """Put the tap's hooks on the module; each forward then calls ``emit`` for each map."""

    def remove(self) -> None:
        """Take every hook off again; safe to call twice."""


class HookTap:
    """Base of taps made of forward hooks: counts maps within a call and keeps the call's masks.

    Args:
        name: Qualified module name.
        module: The attention module.
    """

    how = ""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.module = module
        self._handles: list[Any] = []
        self._emit: Emit | None = None
        self._order = 0
        self._masks: dict[str, torch.Tensor] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {type(self.module).__name__})"

    def install(self, emit: Emit) -> None:
        self._emit = emit
        self._handles.append(
            self.module.register_forward_pre_hook(self._before, with_kwargs=True, prepend=True)
        )
        self._place()

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._emit = None

    def _place(self) -> None:
        """Register what the kind of tap needs besides the pre-hook."""

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._order = 0
        self._masks = call_masks(module, args, kwargs)

    def _give(self, weights: torch.Tensor, direction: str = "") -> None:
        if self._emit is not None:
            self._emit(RawAttention(self.name, self._order, weights.detach(), direction, self._masks))
        self._order += 1


def call_masks(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Mask arguments of a call by parameter name, as (batch, n) bool, True where real.

    ``key_padding_mask`` follows torch's convention (True where padded) and is inverted.
    """
    names = parameter_names(module)
    given = {**dict(zip(names, args)), **kwargs}
    masks = {}
    for name, value in given.items():
        if "mask" in name and isinstance(value, torch.Tensor) and value.ndim == 2 and not value.is_floating_point():
            real = value.detach().bool()
            masks[name] = ~real if "padding" in name else real
    return masks


def parameter_names(module: nn.Module) -> list[str]:
    """Names of the forward's parameters in order; empty when they cannot be read."""
    import inspect

    try:
        return list(inspect.signature(type(module).forward).parameters)[1:]
    except (TypeError, ValueError):
        return []
