"""A vision-language resampler of Hugging Face: learned queries read the atoms as if they were image patches."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader
from transformers import Blip2QFormerConfig, Blip2QFormerModel

ZOO = {"outcome": "either", "undirected": ["qformer"]}
seed(8)
truth, items = Truth(), crystals(12, atoms=(2, 8))
vocabulary = Vocabulary(items)


class VisionLanguage(nn.Module):
    def __init__(self, d=16, n_queries=6):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.query_tokens = nn.Parameter(torch.randn(1, n_queries, d))
        config = Blip2QFormerConfig(hidden_size=d, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                    encoder_hidden_size=d, cross_attention_frequency=1)  # fmt: skip
        self.qformer, self.out = Blip2QFormerModel(config), nn.Linear(2 * d, 1)

    def forward(self, batch):
        q = self.query_tokens.expand(len(batch["z"]), -1, -1)
        read = self.qformer(query_embeds=q, encoder_hidden_states=self.atom(batch["z"]),
                            encoder_attention_mask=batch["atom_mask"].long()).last_hidden_state  # fmt: skip
        m = batch["token_mask"][..., None]
        text = (self.word(batch["input_ids"]) * m).sum(1) / m.sum(1)
        return self.out(torch.cat([read.mean(1), text], -1))[:, 0]


net = VisionLanguage().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
