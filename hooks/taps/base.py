"""What a tap is, and what it hands over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

#: Options of a forward hook that also runs when the forward raises; torch 2.0 has no such hooks.
ALWAYS: dict[str, bool] = (
    {"always_call": True}
    if "always_call" in inspect.signature(nn.Module.register_forward_hook).parameters
    else {}
)


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
        """Hand over one map; without a heads dimension it is one head's."""
        if weights.ndim == 3:
            weights = weights.unsqueeze(1)
        if self._emit is not None:
            self._emit(RawAttention(self.name, self._order, weights.detach(), direction, self._masks))
        self._order += 1


def looks_like_attention(value: torch.Tensor) -> bool:
    """True for (batch, queries, keys) or (batch, heads, queries, keys) without negatives, rows summing to one."""
    if value.ndim not in (3, 4) or not value.is_floating_point() or value.numel() == 0:
        return False
    first = value.detach().flatten(0, -3)[0].float()
    sums = first.sum(-1)
    good = torch.isfinite(sums)
    # fully masked rows are NaN after a softmax over -inf alone; one good row is enough
    near = ((sums - 1).abs() < 1e-2) | ~good
    return bool((near.all() & good.any() & (first[good] >= 0).all()).item())


def call_masks(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """Mask arguments of a call by parameter name, as (batch, n) bool, True where real.

    Read are boolean and integer masks (batch, n), additive ones (zero where real), and both of them spread to (batch,
    1, 1 or queries, n). ``key_padding_mask`` follows torch's convention (True where padded) and is inverted;
    ``attn_mask`` says nothing of padding and is left out.
    """
    names = parameter_names(module)
    given = {**dict(zip(names, args)), **kwargs}
    masks = {}
    for name, value in given.items():
        if "mask" not in name or name == "attn_mask" or not isinstance(value, torch.Tensor):
            continue
        real = _real(value.detach())
        if real is not None:
            masks[name] = ~real if "padding" in name and not value.is_floating_point() else real
    return masks


def _real(mask: torch.Tensor) -> torch.Tensor | None:
    if mask.ndim == 4 and mask.shape[1] == 1:
        mask = mask[:, 0].amax(1) if mask.is_floating_point() else mask[:, 0].bool().any(1)
    if mask.ndim != 2:
        return None
    if not mask.is_floating_point():
        return mask.bool()
    additive = (mask < 0).any()
    return torch.where(additive, mask > -1, mask > 0.5) | ((mask == 0).all() & ~additive)


def parameter_names(module: nn.Module) -> list[str]:
    """Names of the forward's parameters in order; empty when they cannot be read."""
    try:
        return list(inspect.signature(type(module).forward).parameters)[1:]
    except (TypeError, ValueError):
        return []
