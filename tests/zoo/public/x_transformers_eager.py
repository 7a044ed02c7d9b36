"""x-transformers' CrossAttender, with a softmax of its own: atoms read words in two layers."""

from outside import HEADS, D, Outputs, counts, run
from torch import nn
from x_transformers import CrossAttender

ZOO = {"elements": "true"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.cross = CrossAttender(dim=D, depth=2, heads=HEADS, attn_dim_head=D // HEADS, attn_flash=False)

    def forward(self, atoms, words, atom_mask, word_mask):
        return atoms + self.cross(atoms, context=words, mask=atom_mask, context_mask=word_mask)


fuse = Fuse()
names = [n.removesuffix(".to_q") for n, _ in fuse.named_modules() if n.endswith(".to_q")]
out = Outputs(fuse, *(f"{n}.to_{p}" for n in names for p in "qk"))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.to_q"], out.found[f"{name}.to_k"]
        yield f"fuse.{name}", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t


run(fuse, maps)
