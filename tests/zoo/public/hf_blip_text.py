"""Hugging Face BLIP's text encoder: words read atoms as image patches; its layer drops the mask it is given (5.23)."""

from outside import HEADS, D, Outputs, counts, run, vocabulary
from torch import nn
from transformers import BlipTextConfig
from transformers.models.blip.modeling_blip_text import BlipTextModel

ZOO = {"elements": "true", "says": "missing_mask"}
config = BlipTextConfig(vocab_size=len(vocabulary), hidden_size=D, encoder_hidden_size=D, num_hidden_layers=2,
                        num_attention_heads=HEADS, intermediate_size=2 * D, is_decoder=True, attn_implementation="eager")  # fmt: skip


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.text = BlipTextModel(config, add_pooling_layer=False)

    def forward(self, atoms, words, atom_mask, word_mask):
        read = self.text(encoder_embeds=words, attention_mask=word_mask.long(), encoder_hidden_states=atoms,
                         encoder_attention_mask=atom_mask.long(), is_decoder=False).last_hidden_state  # fmt: skip
        m = word_mask[..., None]
        return atoms + ((read * m).sum(1) / m.sum(1))[:, None]


fuse = Fuse()
names = [f"text.encoder.layer.{i}.crossattention.self" for i in range(2)]
out = Outputs(fuse, *(f"{n}.{p}" for n in names for p in ("query", "key")))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.query"], out.found[f"{name}.key"]
        yield f"fuse.{name}", "text_to_atom", out.weights(q, k, None), t, a


run(fuse, maps)
