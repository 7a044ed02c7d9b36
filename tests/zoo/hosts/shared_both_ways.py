"""One cross attention with shared weights is called twice in a forward: words read atoms, then atoms read words."""

import torch
from common import CrossAttention, Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(31)
truth, items = Truth(), crystals(20, atoms=(2, 8))
vocabulary = Vocabulary(items)


class Shared(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.layers, self.out = nn.ModuleList(CrossAttention(d) for _ in range(2)), nn.Linear(d, 1)

    def forward(self, batch):
        x, t, m, n = (
            self.atom(batch["z"]),
            self.word(batch["input_ids"]),
            batch["atom_mask"],
            batch["token_mask"],
        )
        self.kept = []
        for layer in self.layers:
            told = t + layer(t, x, m)
            self.kept.append(layer.kept)
            x, t = x + layer(x, t, n), told
            self.kept.append(layer.kept)
        pooled = (t * n[..., None]).sum(1) / n.sum(1, keepdim=True)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True) + pooled)[:, 0]


net = Shared().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
rows_of = iter(batches(items, 4))
with torch.no_grad():
    for batch in test_loader:
        rows = next(rows_of)
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        for i in range(2):
            truth.attention(f"layers.{i}", "text_to_atom", net.kept[2 * i], t, a, items=rows)
            truth.attention(f"layers.{i}", "atom_to_text", net.kept[2 * i + 1], a, t, items=rows)
truth.done()
