"""What a fused attention kernel was given, and what it makes of it: scores, masked places and weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

#: Scores at or below this were masked by the host: it uses minus infinity, the type's lowest number, -1e9 or -1e4.
MASKED_BELOW = -5000.0
_NUMPY_KNOWS = (torch.float32, torch.float64, torch.float16)
_softmax = torch.Tensor.softmax


@dataclass(frozen=True)
class FusedInputs:
    """Arguments of ``scaled_dot_product_attention`` that decide its weights; most calls' weights are never asked for.

    Attributes:
        query: (..., queries, features).
        key: (..., keys, features); the axes before the last two of query, key and mask broadcast against each other.
        attn_mask: (..., queries, keys), broadcasting: bool, True where a query may look, or numbers added to the scores.
        is_causal, scale, enable_gqa: As the kernel takes them.
    """

    query: torch.Tensor
    key: torch.Tensor
    attn_mask: torch.Tensor | None = None
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    @property
    def shape(self) -> torch.Size:
        """Of the weights, with the axes that query, key and mask share by broadcasting written out."""
        shape = torch.Size((*self.query.shape[:-1], self.key.shape[-2]))
        if self.query.is_nested or self.key.is_nested:
            return shape
        of_keys: tuple[int, ...] = self.key.shape[:-2]
        if self.enable_gqa:
            of_keys = (*of_keys[:-1], 1)  # heads of keys are repeated to the number of the query's
        of_mask = () if self.attn_mask is None else self.attn_mask.shape
        return torch.Size(torch.broadcast_shapes(shape, (*of_keys, 1, 1), of_mask))

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """What is held: query, key, and the mask where there is one."""
        held = (self.query, self.key)
        return held if self.attn_mask is None else (*held, self.attn_mask)

    def weights(self) -> torch.Tensor:
        """(..., queries, keys), in single precision at least."""
        return _softmax(
            fused_scores(self.query, self.key, self.attn_mask, self.is_causal, self.scale, self.enable_gqa),
            -1,
        )

    def masked(self) -> torch.Tensor | None:
        """Where the mask forbids a look, expandable to the weights' shape; None where it forbids none."""
        found = None
        if self.attn_mask is not None:
            mask = self.attn_mask
            found = masked(mask) if mask.dtype != torch.bool else ~mask
        if self.is_causal:
            future = torch.ones(self.shape[-2:], dtype=torch.bool, device=self.query.device).triu(1)
            found = future if found is None else found | future
        return found if found is None or found.is_cuda or bool(found.any()) else None


def masked(scores: torch.Tensor) -> torch.Tensor | None:
    """Where scores were masked, None where none was; on an accelerator nobody waits to know whether any was."""
    scores = scores.detach()
    if scores.device.type == "cpu" and scores.dtype in _NUMPY_KNOWS:
        values = scores.numpy()
        hidden = np.less_equal(values, values.dtype.type(MASKED_BELOW))  # a quarter of torch's time
        return torch.from_numpy(hidden) if hidden.any() else None
    found = scores <= MASKED_BELOW
    if scores.is_cuda:
        return found  # asking whether there is any would wait for the device
    return found if bool(found.any()) else None


def fused_scores(
    query: torch.Tensor,
    key: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Q K^T scale + mask in single precision; arguments as ``scaled_dot_product_attention``'s.

    Args:
        query: (..., queries, features).
        key: (..., keys, features).

    Returns:
        (..., queries, keys) with minus infinity where the mask forbids.
    """
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    double = query.dtype == torch.float64
    q, k = (query, key) if double else (query.float(), key.float())
    scores = q @ k.transpose(-1, -2) * (scale if scale is not None else 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    if attn_mask is not None:
        scores = (
            scores.masked_fill(~attn_mask, float("-inf"))
            if attn_mask.dtype == torch.bool
            else scores + attn_mask.to(scores.dtype)
        )
    return scores
