"""nn.TransformerDecoder: atoms attend to themselves and then to the text as memory, in two layers."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(6)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class DecoderNet(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        layer = nn.TransformerDecoderLayer(d, 2, 32, dropout=0.1, batch_first=True)
        self.decoder, self.out = nn.TransformerDecoder(layer, 2), nn.Linear(d, 1)

    def forward(self, batch):
        m = batch["atom_mask"]
        x = self.decoder(self.atom(batch["z"]), self.word(batch["input_ids"]), tgt_key_padding_mask=~m,
                         memory_key_padding_mask=~batch["token_mask"])  # fmt: skip
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


net = DecoderNet().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
kept = []
with torch.no_grad():
    for batch in test_loader:
        kept.append((batch, net(batch)))
truth.done()
for (batch, p), rows in zip(kept, batches(items, 4)):
    truth.predict(p)
    truth.crystal(rows, [c["text"].split() for c in rows])
    if not truth.full:
        continue
    a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
    x, words = net.atom(batch["z"]), net.word(batch["input_ids"])
    for i, layer in enumerate(net.decoder.layers):  # post-norm layers, written out
        x = layer.norm1(x + layer.self_attn(x, x, x, key_padding_mask=~batch["atom_mask"])[0])
        y, w = layer.multihead_attn(x, words, words, key_padding_mask=~batch["token_mask"],
                                    average_attn_weights=False)  # fmt: skip
        x = layer.norm2(x + y)
        x = layer.norm3(x + layer.linear2(torch.relu(layer.linear1(x))))
        truth.attention(f"decoder.layers.{i}.multihead_attn", "atom_to_text", w, a, t, items=rows)
