"""CoCa-pytorch's cross attention: no mask at all, one key projection for all heads."""

import torch
from coca_pytorch.coca_pytorch import CrossAttention
from outside import HEADS, D, Outputs, counts, run
from torch import nn

ZOO = {"elements": "true", "says": "missing_mask|padding"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.cross = CrossAttention(D, context_dim=D, dim_head=D // HEADS, heads=HEADS)

    def forward(self, atoms, words, atom_mask, word_mask):
        return atoms + self.cross(atoms, words)


fuse = Fuse()
out = Outputs(fuse, "cross.to_q", "cross.to_kv")


def maps(batch):
    a, t = counts(batch)
    q, k = out.found["cross.to_q"], out.found["cross.to_kv"].chunk(2, -1)[0]
    w = out.weights(q, torch.cat([k] * HEADS, -1), None)

    yield "fuse.cross", "atom_to_text", w, a, t  # the map as it is; numbers are over real words, renormalised


run(fuse, maps)
