"""The default tap: the module's own attention dropout is handed the softmaxed weights; look at them there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks.taps.base import HookTap


class ObserveTap(HookTap):
    """Sees weights on their way into a direct child ``nn.Dropout``; changes nothing.

    A dropout that is also used on features is told apart by what it is given: only tensors of attention shape whose
    rows sum to one are taken.
    """

    how = "observe (the module's own dropout)"

    def _place(self) -> None:
        for child in attention_dropouts(self.module):
            self._handles.append(child.register_forward_pre_hook(self._see))

    def _see(self, dropout: nn.Module, args: tuple[Any, ...]) -> None:
        value = args[0] if args else None
        if isinstance(value, torch.Tensor) and looks_like_attention(value):
            self._give(value)


def attention_dropouts(module: nn.Module) -> list[nn.Module]:
    """Direct children that may be handed attention weights."""
    return [child for child in module.children() if isinstance(child, nn.Dropout)]


def looks_like_attention(value: torch.Tensor) -> bool:
    """True for floating (batch, heads, queries, keys) tensors, none negative, whose rows sum to one."""
    if value.ndim != 4 or not value.is_floating_point() or value.numel() == 0:
        return False
    first = value.detach()[0, 0].float()
    sums = first.sum(-1)
    good = torch.isfinite(sums)
    # fully masked rows are NaN after a softmax over -inf alone; one good row is enough
    near = ((sums - 1).abs() < 1e-2) | ~good
    return bool((near.all() & good.any() & (first[good] >= 0).all()).item())
