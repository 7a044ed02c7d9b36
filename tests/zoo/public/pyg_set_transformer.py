"""PyG's multi-head attention block between two dense sets: atoms read words."""

from outside import HEADS, D, Outputs, counts, run
from torch import nn
from torch_geometric.nn.aggr.utils import MultiheadAttentionBlock

ZOO = {"elements": "true"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = MultiheadAttentionBlock(D, heads=HEADS)

    def forward(self, atoms, words, atom_mask, word_mask):
        return self.block(atoms, words, atom_mask, word_mask)


fuse = Fuse()
if __name__ == "__main__":
    from outside import truth

    kept = {}
    if truth.full:
        fuse.block.attn.register_forward_pre_hook(lambda m, a, k: kept.update(a=a, k=k), with_kwargs=True)
    out = Outputs(fuse)

    def maps(batch):
        a, t = counts(batch)
        x, y = kept["a"][:2]
        w, b = fuse.block.attn.in_proj_weight, fuse.block.attn.in_proj_bias
        q, k = x @ w[:D].T + b[:D], y @ w[D : 2 * D].T + b[D : 2 * D]
        yield "fuse.block.attn", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t

    run(fuse, maps)
