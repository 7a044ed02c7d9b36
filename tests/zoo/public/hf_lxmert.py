"""Hugging Face LXMERT: words read atoms and atoms read words through one shared cross attention, two layers."""

from outside import HEADS, D, counts, run
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
        self.kept = []
        for layer in self.layers:
            found = layer(words, additive(word_mask), atoms, additive(atom_mask), output_attentions=True)
            words, atoms = found[:2]
            self.kept.append(found[2])
        return atoms


fuse = Fuse()


def maps(batch):
    a, t = counts(batch)
    for i, w in enumerate(fuse.kept):
        yield f"fuse.layers.{i}.visual_attention.att", "text_to_atom", w, t, a


run(fuse, maps)
