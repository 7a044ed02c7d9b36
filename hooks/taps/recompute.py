"""For modules that never form the weights: from the query and key their fused kernel is given."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from crysmm_attn_plugin.hooks.taps.base import HookTap
from crysmm_attn_plugin.hooks.taps.second_call import returned_weights


class RecomputeTap(HookTap):
    """Watches ``scaled_dot_product_attention`` during the module's own forward and forms the weights beside it."""

    how = "recompute (from query and key of the fused kernel)"

    def _place(self) -> None:
        self._modes: list[_WatchFusedAttention] = []
        self._handles.append(self.module.register_forward_hook(self._after, always_call=True))

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super()._before(module, args, kwargs)
        mode = _WatchFusedAttention(self._give)
        mode.__enter__()
        self._modes.append(mode)

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self._modes:
            self._modes.pop().__exit__(None, None, None)
        if self._order == 0:  # an eager kernel was chosen: such modules return the weights they formed
            for direction, weights in returned_weights(output):
                self._give(weights, direction)

    def remove(self) -> None:
        while getattr(self, "_modes", None):
            self._modes.pop().__exit__(None, None, None)
        super().remove()


class _WatchFusedAttention(TorchFunctionMode):
    def __init__(self, give: Any) -> None:
        super().__init__()
        self._give = give

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            self._give(fused_weights(*args, **kwargs))
        return result


@torch.no_grad()
def fused_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """softmax(Q K^T scale + mask) in single precision; arguments as ``scaled_dot_product_attention``'s.

    Returns:
        (batch, heads, queries, keys).
    """
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    q, k = query.float(), key.float()
    scores = q @ k.transpose(-1, -2) * (scale if scale is not None else 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    if attn_mask is not None:
        scores = (
            scores.masked_fill(~attn_mask, float("-inf"))
            if attn_mask.dtype == torch.bool
            else scores + attn_mask.float()
        )
    return torch.softmax(scores, dim=-1)
