"""nn.TransformerEncoder's fast path stays on: its output has no rows for padding when it was taken."""

import torch
from common import CrossAttention, Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(67)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Net(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 2, 32, batch_first=True), 3)
        self.cross, self.out, self.fast = CrossAttention(d), nn.Linear(d, 1), []

    def forward(self, b):
        k, m = b["token_mask"], b["atom_mask"]
        t = self.encoder(self.word(b["input_ids"]), src_key_padding_mask=~k)
        self.fast.append(bool((t[~k] == 0).all()))
        x = self.cross(self.atom(b["z"]), t, k)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


net = Net().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.note(fast=net.fast)
truth.done()
