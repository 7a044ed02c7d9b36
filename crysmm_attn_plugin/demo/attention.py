"""Where the two modalities meet: atom-token attention in both directions, and the gated middle fusion."""

from __future__ import annotations

import math

import torch
from torch import nn


class AtomTokenAttention(nn.Module):
    """Atoms read tokens, then tokens read atoms; both results are used by the model.

    Args:
        width: Feature width of atoms and tokens.
        heads: Number of heads; divides ``width``.
        dropout: Probability of dropping an attention weight in training.
    """

    def __init__(self, width: int, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads = heads
        self.atom_query = nn.Linear(width, width)
        self.token_memory = nn.Linear(width, 2 * width)
        self.token_query = nn.Linear(width, width)
        self.atom_memory = nn.Linear(width, 2 * width)
        self.atom_out = nn.Linear(width, width)
        self.token_out = nn.Linear(width, width)
        self.atom_norm = nn.LayerNorm(width)
        self.token_norm = nn.LayerNorm(width)
        self.softmax = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        atoms: torch.Tensor,
        tokens: torch.Tensor,
        node_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        return_attention: bool = False,
    ) -> tuple[torch.Tensor, ...]:
        """Exchange features between atoms and tokens.

        Args:
            atoms: (batch, atoms, width).
            tokens: (batch, tokens, width).
            node_mask: (batch, atoms) bool, True where real; all real when None.
            token_mask: (batch, tokens) bool, True where real; all real when None.
            return_attention: Also return the weights.

        Returns:
            Updated atoms and tokens, shaped like the inputs, and, if asked for, a dict with ``atom_to_text``
            (batch, heads, atoms, tokens) and ``text_to_atom`` (batch, heads, tokens, atoms), after softmax
            and before dropout.
        """
        read, atom_to_text = self._read(self.atom_query(atoms), self.token_memory(tokens), token_mask)
        new_atoms = self.atom_norm(atoms + self.atom_out(read))
        read, text_to_atom = self._read(self.token_query(tokens), self.atom_memory(atoms), node_mask)
        new_tokens = self.token_norm(tokens + self.token_out(read))
        if not return_attention:
            return new_atoms, new_tokens
        weights = {"atom_to_text": atom_to_text.detach(), "text_to_atom": text_to_atom.detach()}
        return new_atoms, new_tokens, weights  # type: ignore[return-value]

    def _read(
        self, query: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        key, value = memory.chunk(2, dim=-1)
        q, k, v = (self._split(x) for x in (query, key, value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = self.softmax(scores)
        mixed = self.dropout(weights) @ v
        return mixed.transpose(1, 2).flatten(2), weights

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        heads: torch.Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class MiddleFusion(nn.Module):
    """Lets the description into the atoms between two graph layers, through a gate per atom and feature.

    Args:
        width: Feature width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.message = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, atoms: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Mix pooled text into atoms.

        Args:
            atoms: (atoms of the batch, width).
            text: (atoms of the batch, width); each atom's crystal's pooled description.

        Returns:
            (atoms of the batch, width).
        """
        gate = torch.sigmoid(self.gate(torch.cat([atoms, text], dim=-1)))
        fused: torch.Tensor = self.norm(atoms + gate * self.message(text))
        return fused


class GlobalFusion(nn.Module):
    """One vector per crystal from its pooled atoms and pooled tokens, weighted feature by feature.

    Args:
        width: Feature width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, graph: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(batch, width) and (batch, width) to (batch, width)."""
        share = torch.sigmoid(self.gate(torch.cat([graph, text], dim=-1)))
        fused: torch.Tensor = self.norm(share * graph + (1 - share) * text)
        return fused
