"""Atoms and words stand in one sequence that attends to itself."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ("cross",)}
seed(108)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Joint(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask, atom_mask):
        x, m = torch.cat([atoms, words], 1), torch.cat([atom_mask, mask], 1)
        s = self.q(x) @ self.k(x).mT / 4
        return (s.masked_fill(~m[:, None], -1e9).softmax(-1) @ x)[:, : atoms.shape[1]]


class Single(Net):
    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["atom_mask"]
        x = x + self.cross(x, t, batch["token_mask"], m)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


net = Single(len(vocabulary), attention=Joint).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, None)
truth.done()
