"""perceiver-pytorch's attention: atoms read words, heads merged into the batch."""

from outside import HEADS, D, Outputs, counts, run
from perceiver_pytorch.perceiver_pytorch import Attention, PreNorm
from torch import nn

ZOO = {"elements": "true"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.cross = PreNorm(D, Attention(D, D, heads=HEADS, dim_head=D // HEADS), context_dim=D)

    def forward(self, atoms, words, atom_mask, word_mask):
        return atoms + self.cross(atoms, context=words, mask=word_mask)


fuse = Fuse()
out = Outputs(fuse, "cross.fn.to_q", "cross.fn.to_kv")


def maps(batch):
    a, t = counts(batch)
    q, k = out.found["cross.fn.to_q"], out.found["cross.fn.to_kv"].chunk(2, -1)[0]
    yield "fuse.cross.fn", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t


run(fuse, maps)
