"""A Hugging Face T5 decoder over atoms: no scaling, weights in single precision, cross attention without positions."""

from outside import HEADS, D, Outputs, counts, run
from torch import nn
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Stack

ZOO = {"elements": "true"}
config = T5Config(d_model=D, d_kv=D // HEADS, num_heads=HEADS, num_layers=2, d_ff=2 * D, is_decoder=True,
                  use_cache=False, vocab_size=8)  # fmt: skip


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = T5Stack(config)

    def forward(self, atoms, words, atom_mask, word_mask):
        return self.stack(inputs_embeds=atoms, attention_mask=atom_mask.long(), encoder_hidden_states=words,
                          encoder_attention_mask=word_mask.long()).last_hidden_state  # fmt: skip


fuse = Fuse()
names = [f"stack.block.{i}.layer.1.EncDecAttention" for i in range(2)]
out = Outputs(fuse, *(f"{n}.{p}" for n in names for p in "qk"))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.q"], out.found[f"{name}.k"]
        scaled = q * (D // HEADS) ** 0.5
        yield f"fuse.{name}", "atom_to_text", out.weights(scaled, k, batch["token_mask"]), a, t


run(fuse, maps)
