"""Where description and crystal meet: in the middle, token by token, and as wholes."""

import math

import torch
from torch import nn


def heads_apart(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attend(query, memory, heads, dropout, mask=None):
    """(batch, rows, width) read from (batch, keys, width); also the weights as they were before dropout."""
    q, k, v = heads_apart(query, heads), *(heads_apart(m, heads) for m in memory.chunk(2, dim=-1))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None, :], -1e9)
    weights = scores.softmax(dim=-1)
    return (dropout(weights) @ v).transpose(1, 2).flatten(2), weights


class MiddleFusionModule(nn.Module):
    """A gate lets the pooled description into every atom. It announces itself on stdout."""

    def __init__(self, width):
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.text = nn.Linear(width, width)

    def forward(self, atoms, text, atoms_per_crystal):
        print(f"middle fusion of {tuple(atoms.shape)} with {tuple(text.shape)}")
        spread = self.text(text).repeat_interleave(atoms_per_crystal, dim=0)
        return atoms + torch.sigmoid(self.gate(torch.cat([atoms, spread], -1))) * spread


class FineGrainedCrossModalAttention(nn.Module):
    """Atoms read tokens and tokens read atoms; who calls it may well throw one of the two away."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.a2t_query, self.a2t_memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.t2a_query, self.t2a_memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.node_output, self.token_output = nn.Linear(width, width), nn.Linear(width, width)
        self.layer_norm_node, self.layer_norm_token = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, node_feat, token_feat, node_mask=None, token_mask=None, return_attention=False):
        read, a2t = attend(
            self.a2t_query(node_feat), self.a2t_memory(token_feat), self.heads, self.dropout, token_mask
        )
        nodes = self.layer_norm_node(node_feat + self.node_output(read))
        read, t2a = attend(
            self.t2a_query(token_feat), self.t2a_memory(node_feat), self.heads, self.dropout, node_mask
        )
        tokens = self.layer_norm_token(token_feat + self.token_output(read))
        if return_attention:
            return nodes, tokens, {"atom_to_text": a2t.detach(), "text_to_atom": t2a.detach()}
        return nodes, tokens


class CrossModalAttention(nn.Module):
    """One vector of the crystal and one of the text read each other: a softmax over a single key."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.graph_query, self.text_memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.text_query, self.graph_memory = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph_feat, text_feat, return_attention=False):
        g, t = graph_feat.unsqueeze(1), text_feat.unsqueeze(1)
        from_text, g2t = attend(self.graph_query(g), self.text_memory(t), self.heads, self.dropout)
        from_graph, t2g = attend(self.text_query(t), self.graph_memory(g), self.heads, self.dropout)
        new_graph, new_text = graph_feat + from_text.squeeze(1), text_feat + from_graph.squeeze(1)
        if return_attention:
            return new_graph, new_text, {"graph_to_text": g2t.detach(), "text_to_graph": t2g.detach()}
        return new_graph, new_text
