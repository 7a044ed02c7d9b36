"""nn.MultiheadAttention with the sequence first and averaged weights asked for, in both directions."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(5)
truth, items = Truth(), crystals(13)
vocabulary = Vocabulary(items)


class TwoWay(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.graph_reads = nn.MultiheadAttention(d, 2)
        self.text_reads = nn.MultiheadAttention(d, 2)
        self.out = nn.Linear(2 * d, 1)

    def both(self, batch, **asked):
        x, t = self.atom(batch["z"]).transpose(0, 1), self.word(batch["input_ids"]).transpose(0, 1)
        a = self.graph_reads(x, t, t, key_padding_mask=~batch["token_mask"], **asked)
        b = self.text_reads(t, x, x, key_padding_mask=~batch["atom_mask"], **asked)
        return a, b

    def forward(self, batch):
        (x, _), (t, _) = self.both(batch)
        m, k = batch["atom_mask"].T[..., None], batch["token_mask"].T[..., None]
        return self.out(torch.cat([(x * m).sum(0) / m.sum(0), (t * k).sum(0) / k.sum(0)], -1))[:, 0]


net = TwoWay().eval()
test_dataloader = DataLoader(Crystals(items), 5, collate_fn=collator(vocabulary))
kept = []
with torch.no_grad():
    for batch in test_dataloader:
        kept.append((batch, net(batch)))
truth.done()
for (batch, p), rows in zip(kept, batches(items, 5)):
    truth.predict(p)
    truth.crystal(rows, [c["text"].split() for c in rows])
    if truth.full:
        (_, w), (_, v) = net.both(batch, average_attn_weights=False)
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("graph_reads", "atom_to_text", w, a, t, items=rows)
        truth.attention("text_reads", "text_to_atom", v, t, a, items=rows)
