"""flamingo-pytorch's resampler: latents read atoms and themselves, joined into one list of keys."""

from flamingo_pytorch import PerceiverResampler
from outside import HEADS, D, run
from torch import nn

ZOO = {"outcome": "either", "undirected": ["fuse"]}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.resample = PerceiverResampler(dim=D, depth=1, dim_head=D // HEADS, heads=HEADS, num_latents=5)

    def forward(self, atoms, words, atom_mask, word_mask):
        m = word_mask[..., None]
        return self.resample(atoms)[:, 0] + ((words * m).sum(1) / m.sum(1))[:, None]


run(Fuse())
