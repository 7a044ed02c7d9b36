"""perceiver-pytorch's Perceiver IO: latents read words, atoms read latents. Nothing here is atoms to words."""

from outside import D, run
from perceiver_pytorch import PerceiverIO
from torch import nn

ZOO = {"outcome": "either", "undirected": ["fuse"]}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.io = PerceiverIO(dim=D, queries_dim=D, depth=2, num_latents=6, latent_dim=D, cross_heads=2,
                              latent_heads=2, cross_dim_head=8, latent_dim_head=8)  # fmt: skip

    def forward(self, atoms, words, atom_mask, word_mask):
        return atoms + self.io(words, mask=word_mask, queries=atoms)


run(Fuse())
