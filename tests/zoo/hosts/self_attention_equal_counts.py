"""As many words as atoms in every crystal: atom self-attention, word self-attention and cross attention look alike."""

import torch
from common import CrossAttention, Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "undirected": ["atoms_mix", "words_mix"], "undirected_is_fine": ["cross"]}
seed(26)
truth, items = Truth(), crystals(14, atoms=(2, 8))
for c in items:
    c["text"] = " ".join(c["text"].split()[: len(c["z"])])
vocabulary = Vocabulary(items)


class Mixed(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.atoms_mix, self.words_mix, self.cross = CrossAttention(d), CrossAttention(d), CrossAttention(d)
        self.out = nn.Linear(d, 1)

    def forward(self, b):
        x, t, m, k = self.atom(b["z"]), self.word(b["input_ids"]), b["atom_mask"], b["token_mask"]
        x, t = x + self.atoms_mix(x, x, m), t + self.words_mix(t, t, k)
        x = x + self.cross(x, t, k)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


net = Mixed().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        n = batch["atom_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, n, n, items=rows)
truth.done()
