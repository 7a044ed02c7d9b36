"""Sees softmaxes and fused attention inside a module's forward, whoever calls them, without touching either."""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from crysmm_attn_plugin.hooks.taps.base import looks_like_attention

_SOFTMAXES = (F.softmax, torch.softmax, torch.Tensor.softmax)
_inside = threading.local()


class KernelWatch(TorchFunctionMode):
    """Keeps, in order, every softmax that looks like attention and the weights of every fused call.

    Watches nest as modules do; what happens inside a watched inner module is seen by that module's watch alone.

    Attributes:
        seen: (batch, heads, queries, keys) or (batch, queries, keys) each, detached.
        error: What went wrong in the watching, if anything; the host's call is not affected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []
        self.error: Exception | None = None

    def start(self) -> None:
        if not hasattr(_inside, "watches"):
            _inside.watches = []
        _inside.watches.append(self)
        self.__enter__()

    def stop(self) -> None:
        if self in getattr(_inside, "watches", ()):
            _inside.watches.remove(self)
            self.__exit__(None, None, None)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if _inside.watches[-1] is self:
            try:
                if func in _SOFTMAXES and looks_like_attention(result):
                    self.seen.append(result.detach())
                elif func is F.scaled_dot_product_attention:
                    self.seen.append(fused_weights(*args, **kwargs))
            except Exception as error:
                self.error = error
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
        (batch, heads, queries, keys), or without heads where the query has none.
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
