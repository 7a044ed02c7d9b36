"""From weights to a number per crystal and head."""

from __future__ import annotations

import torch

NAME = "own_element_hits"


def own_element_hits(
    weights: torch.Tensor, query_mask: torch.Tensor, key_mask: torch.Tensor, own_element: torch.Tensor
) -> torch.Tensor:
    """Share of real atoms whose most attended real token is a mention of their own element.

    Args:
        weights: (batch, heads, atoms, tokens), rows summing to one, zero on padding.
        query_mask: (batch, atoms) bool, True where real.
        key_mask: (batch, tokens) bool, True where real.
        own_element: (batch, atoms, tokens) bool, True where the token mentions the atom's element.

    Returns:
        (batch, heads), between 0 and 1.
    """
    heaviest = weights.argmax(-1, keepdim=True)
    mentions = (own_element & key_mask[:, None, :])[:, None].expand(weights.shape)
    hits = mentions.gather(-1, heaviest).squeeze(-1) & query_mask[:, None, :]
    return hits.sum(-1) / query_mask.sum(-1, keepdim=True).clamp(min=1)
