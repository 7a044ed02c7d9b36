"""Hugging Face LXMERT: words read atoms and atoms read words through one shared cross attention, two layers."""

from outside import HEADS, D, counts, run, truth
from torch import nn
from transformers import LxmertConfig
from transformers.models.lxmert.modeling_lxmert import LxmertXLayer

ZOO = {"elements": "true"}
config = LxmertConfig(hidden_size=D, num_attention_heads=HEADS, intermediate_size=2 * D)


def additive(mask):
    """The family's mask: 0 where real, a very large negative number where padded."""
    return (1 - mask[:, None, None].float()) * -1e9


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(LxmertXLayer(config) for _ in range(2))

    def forward(self, atoms, words, atom_mask, word_mask):
        for layer in self.layers:
            words, atoms = layer(words, additive(word_mask), atoms, additive(atom_mask))[:2]
        return atoms


fuse = Fuse()
kept = {i: [] for i in range(2)}
if truth.full:
    for i, layer in enumerate(fuse.layers):
        layer.visual_attention.att.dropout.register_forward_pre_hook(lambda m, a, i=i: kept[i].append(a[0]))


def maps(batch):
    a, t = counts(batch)
    for i, weights in kept.items():
        name = f"fuse.layers.{i}.visual_attention.att"
        yield name, "text_to_atom", weights[0], t, a
        yield name, "atom_to_text", weights[1], a, t
        weights.clear()


run(fuse, maps)
