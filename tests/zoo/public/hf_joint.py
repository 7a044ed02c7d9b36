"""One stream, as in VisualBERT and ViLT: atoms and words joined into one sequence that reads itself."""

import torch
from outside import HEADS, D, run
from torch import nn
from transformers import ViltConfig
from transformers.models.vilt.modeling_vilt import ViltEncoder

ZOO = {"outcome": "either", "undirected": ["fuse"], "never_says": "loader was not found"}
config = ViltConfig(hidden_size=D, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=2 * D)


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = ViltEncoder(config)

    def forward(self, atoms, words, atom_mask, word_mask):
        mask = (1 - torch.cat([word_mask, atom_mask], 1)[:, None, None].float()) * -1e9
        read = self.encoder(torch.cat([words, atoms], 1), attention_mask=mask).last_hidden_state
        return read[:, words.shape[1] :]


run(Fuse())
