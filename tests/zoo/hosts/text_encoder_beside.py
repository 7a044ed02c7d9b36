"""A text encoder with its own self-attention runs in the same forward; only the cross attention is cross-modal."""

import torch
from common import CrossAttention, Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(27)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Net(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        layer = nn.TransformerEncoderLayer(d, 2, 32, batch_first=True)
        self.language, self.graph_self = nn.TransformerEncoder(layer, 2), CrossAttention(d)
        self.cross, self.out = CrossAttention(d), nn.Linear(d, 1)

    def forward(self, b):
        k, m = b["token_mask"], b["atom_mask"]
        t = self.language(self.word(b["input_ids"]), src_key_padding_mask=~k)
        t = torch.nn.functional.pad(t, (0, 0, 0, k.shape[1] - t.shape[1]))
        x = self.atom(b["z"])
        x = x + self.graph_self(x, x, m)
        x = x + self.cross(x, t, k)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


net = Net().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
