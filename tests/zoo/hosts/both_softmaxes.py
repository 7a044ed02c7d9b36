"""One matrix of scores, a softmax along the words and one along the atoms."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(104)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Both(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask, atom_mask):
        s = self.q(atoms) @ self.k(words).mT / 4
        a = s.masked_fill(~mask[:, None], -1e9).softmax(-1)
        t = s.masked_fill(~atom_mask[..., None], -1e9).softmax(1)
        self.kept, self.back = a[:, None], t.mT[:, None]
        return a @ words, t.mT @ atoms


class Two(Net):
    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["atom_mask"]
        a, b = self.cross(x, t, batch["token_mask"], m)
        x, w = x + a, batch["token_mask"][..., None]
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True) + (b * w).sum(1)).squeeze(-1)


net = Two(len(vocabulary), attention=Both).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("cross", "text_to_atom", net.cross.back, t, a, items=rows)
truth.done()
