"""The reference host's network: ALIGNN graph layers, a frozen text encoder's token states, three fusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from alignn.models.alignn import ALIGNNConv, EdgeGatedGraphConv
from alignn.models.utils import RBFExpansion
from torch import nn

from crysmm_attn_plugin.demo.attention import AtomTokenAttention, GlobalFusion, MiddleFusion

if TYPE_CHECKING:
    import dgl

#: Width of the CGCNN element features that ALIGNN's graphs carry.
ATOM_FEATURES = 92


class CrystalTextALIGNN(nn.Module):
    """Predicts one number per crystal from its graph, its line graph and its description.

    Args:
        token_width: Width of the text encoder's token states.
        width: Width of every hidden feature.
        alignn_layers: ALIGNN layers (bonds and angles).
        gcn_layers: Edge-gated graph layers (bonds only) after them.
        middle_fusion_layers: 1-based ALIGNN layers after which the description enters the atoms; empty for
            the arm without middle fusion.
        heads: Heads of the atom-token attention.
        dropout: Dropout of attention weights and of the head.

    The middle fusion is built last, so that two arms of one seed share the initial weights of all the rest.
    """

    def __init__(
        self,
        token_width: int,
        *,
        width: int = 64,
        alignn_layers: int = 2,
        gcn_layers: int = 2,
        middle_fusion_layers: Sequence[int] = (),
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        wrong = [layer for layer in middle_fusion_layers if not 1 <= layer <= alignn_layers]
        if wrong:
            raise ValueError(f"middle_fusion_layers {wrong} outside the ALIGNN layers 1 to {alignn_layers}")
        self.atom_embedding = _embedding(ATOM_FEATURES, width)
        self.bond_embedding = nn.Sequential(RBFExpansion(vmin=0, vmax=8.0, bins=40), _embedding(40, width))
        self.angle_embedding = nn.Sequential(RBFExpansion(vmin=-1, vmax=1.0, bins=20), _embedding(20, width))
        self.token_embedding = nn.Sequential(nn.Linear(token_width, width), nn.LayerNorm(width))
        self.alignn_layers = nn.ModuleList(ALIGNNConv(width, width) for _ in range(alignn_layers))
        self.gcn_layers = nn.ModuleList(EdgeGatedGraphConv(width, width) for _ in range(gcn_layers))
        self.fine_grained_attention = AtomTokenAttention(width, heads, dropout)
        self.global_fusion = GlobalFusion(width)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )
        self.target_mean: torch.Tensor
        self.target_scale: torch.Tensor
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_scale", torch.ones(()))
        self.middle_fusion = nn.ModuleDict(
            {f"layer_{layer}": MiddleFusion(width) for layer in middle_fusion_layers}
        )

    def set_target_scale(self, mean: float, scale: float) -> None:
        """Predict ``mean + scale * (the network's own output)``; both are kept in checkpoints."""
        self.target_mean = torch.full_like(self.target_mean, mean)
        self.target_scale = torch.full_like(self.target_scale, scale)

    def forward(
        self,
        inputs: Sequence[object],
        return_attention: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Predict.

        Args:
            inputs: ``(graph, line graph, token states, token mask)``: two DGL batches, (batch, tokens,
                token_width) and (batch, tokens) bool, True where real.
            return_attention: Also return the attention weights, as ``AtomTokenAttention`` gives them.

        Returns:
            (batch,) predictions in the target's unit, with the weights if asked for.
        """
        graph, line_graph, states, token_mask = inputs
        tokens = self.token_embedding(states)
        atoms, node_mask = self._encode_graph(graph, line_graph, _mean(tokens, token_mask))  # type: ignore[arg-type]
        exchanged = self.fine_grained_attention(
            atoms, tokens, node_mask=node_mask, token_mask=token_mask, return_attention=return_attention
        )
        fused = self.global_fusion(_mean(exchanged[0], node_mask), _mean(exchanged[1], token_mask))  # type: ignore[arg-type]
        prediction = self.head(fused).squeeze(-1) * self.target_scale + self.target_mean
        return (prediction, exchanged[2]) if return_attention else prediction

    def _encode_graph(
        self, graph: dgl.DGLGraph, line_graph: dgl.DGLGraph, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Atom features as (batch, atoms, width) with their mask (batch, atoms)."""
        counts = graph.batch_num_nodes()
        text_per_atom = text.repeat_interleave(counts, dim=0)
        x = self.atom_embedding(graph.ndata["atom_features"])
        y = self.bond_embedding(torch.linalg.vector_norm(graph.edata["r"], dim=-1))
        z = self.angle_embedding(line_graph.edata["h"])
        for number, layer in enumerate(self.alignn_layers, start=1):
            x, y, z = layer(graph, line_graph, x, y, z)
            if f"layer_{number}" in self.middle_fusion:
                x = self.middle_fusion[f"layer_{number}"](x, text_per_atom)
        for layer in self.gcn_layers:
            x, y = layer(graph, x, y)
        mask = torch.arange(int(counts.max()), device=x.device)[None, :] < counts[:, None]
        dense = x.new_zeros(*mask.shape, x.shape[-1])
        dense[mask] = x
        return dense, mask


def _embedding(features: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, width), nn.LayerNorm(width), nn.SiLU())


def _mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the real positions: (batch, n, width) and (batch, n) to (batch, width)."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(dim=1) / weight.sum(dim=1)
