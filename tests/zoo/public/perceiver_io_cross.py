"""perceiver-io's multi-head cross attention: a padding mask that is True where padded, two layers."""

from outside import HEADS, D, Outputs, counts, run
from perceiver.model.core.modules import CrossAttention
from torch import nn

ZOO = {"elements": "true"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(CrossAttention(HEADS, D, D) for _ in range(2))

    def forward(self, atoms, words, atom_mask, word_mask):
        for layer in self.layers:
            atoms = atoms + layer(atoms, words, pad_mask=~word_mask)
        return atoms


fuse = Fuse()
names = [f"layers.{i}.attention" for i in range(2)]
out = Outputs(fuse, *(f"{n}.{p}_proj" for n in names for p in "qk"))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.q_proj"], out.found[f"{name}.k_proj"]
        yield f"fuse.{name}", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t


run(fuse, maps)
