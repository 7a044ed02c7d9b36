"""flamingo-pytorch: words read atoms through a gated cross attention, as words read an image in Flamingo; no mask."""

from flamingo_pytorch import GatedCrossAttentionBlock
from outside import HEADS, D, Outputs, counts, run
from torch import nn

ZOO = {"elements": "true", "says": "missing_mask|padding"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = GatedCrossAttentionBlock(dim=D, dim_head=D // HEADS, heads=HEADS)
        nn.init.constant_(self.block.attn_gate, 0.7)

    def forward(self, atoms, words, atom_mask, word_mask):
        read = self.block(words, atoms[:, None])
        m = word_mask[..., None]
        return atoms + ((read * m).sum(1) / m.sum(1))[:, None]


fuse = Fuse()
out = Outputs(fuse, "block.attn.to_q", "block.attn.to_kv")


def maps(batch):
    a, t = counts(batch)
    q, k = out.found["block.attn.to_q"], out.found["block.attn.to_kv"].chunk(2, -1)[0]
    w = out.weights(q, k, None)  # the map as it is; numbers are over real atoms, renormalised
    yield "fuse.block.attn", "text_to_atom", w, t, a


run(fuse, maps)
