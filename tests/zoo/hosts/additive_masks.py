"""Both masks added to the scores as numbers: finfo.min for words, -10000 for atoms, both directions."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(24)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Additive(nn.Module):
    def __init__(self, d, fill):
        super().__init__()
        self.q, self.kv, self.fill = nn.Linear(d, d), nn.Linear(d, 2 * d), fill

    def forward(self, x, y, extended):
        k, v = self.kv(y).chunk(2, -1)
        split = [z.unflatten(-1, (2, -1)).transpose(1, 2) for z in (self.q(x), k, v)]
        w = nn.Softmax(dim=-1)(split[0] @ split[1].mT / 8**0.5 + extended)
        self.kept = w
        return (w @ split[2]).transpose(1, 2).flatten(2)


class Both(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.to_text, self.to_atoms = Additive(d, torch.finfo(torch.float32).min), Additive(d, -10000.0)
        self.out = nn.Linear(2 * d, 1)

    def forward(self, b):
        m, k = b["atom_mask"], b["token_mask"]
        x, t = self.atom(b["z"]), self.word(b["input_ids"])
        x2 = self.to_text(x, t, (1.0 - k[:, None, None].float()) * self.to_text.fill)
        t2 = self.to_atoms(t, x, (1.0 - m[:, None, None].float()) * self.to_atoms.fill)
        pooled = [(y * q[..., None]).sum(1) / q.sum(1, keepdim=True) for y, q in ((x2, m), (t2, k))]
        return self.out(torch.cat(pooled, -1))[:, 0]


net = Both().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("to_text", "atom_to_text", net.to_text.kept, a, t, items=rows)
        truth.attention("to_atoms", "text_to_atom", net.to_atoms.kept, t, a, items=rows)
truth.done()
