"""A Hugging Face BART decoder over atoms that reads the words."""

from outside import HEADS, D, Outputs, counts, run
from torch import nn
from transformers import BartConfig
from transformers.models.bart.modeling_bart import BartDecoder

ZOO = {"elements": "true"}
config = BartConfig(d_model=D, decoder_layers=2, decoder_attention_heads=HEADS, decoder_ffn_dim=2 * D, vocab_size=8,
                    max_position_embeddings=64)  # fmt: skip


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = BartDecoder(config)

    def forward(self, atoms, words, atom_mask, word_mask):
        return self.decoder(inputs_embeds=atoms, attention_mask=atom_mask.long(), encoder_hidden_states=words,
                            encoder_attention_mask=word_mask.long(), use_cache=False).last_hidden_state  # fmt: skip


fuse = Fuse()
names = [f"decoder.layers.{i}.encoder_attn" for i in range(2)]
out = Outputs(fuse, *(f"{n}.{p}_proj" for n in names for p in "qk"))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.q_proj"], out.found[f"{name}.k_proj"]
        yield f"fuse.{name}", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t


run(fuse, maps)
