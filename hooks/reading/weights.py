"""The weights that a pass reads, as one digest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from crysmm_attn_plugin.hooks.digests import weight_digest


def digest_of(models: Sequence[nn.Module]) -> str:
    """Digest of a model's weights; of several models that a host calls one after another, one over all of them."""
    if not models:
        return weight_digest({})
    if len(models) == 1:
        return weight_digest(models[0].state_dict())
    state: dict[str, torch.Tensor] = {}
    for i, model in enumerate(models):
        state |= {f"{i}.{type(model).__name__}.{k}": v for k, v in model.state_dict().items()}
    return weight_digest(state)
