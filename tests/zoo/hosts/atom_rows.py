"""Every atom is a row of its own with a copy of its text: (atoms of all crystals, 1, words)."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "elements": "true"}
seed(155)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Rows(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask, atom_mask):
        whose = atom_mask.nonzero()[:, 0]
        s = (self.q(atoms[atom_mask])[:, None] @ self.k(words)[whose].mT / 4).masked_fill(
            ~mask[whose][:, None], -1e9
        )
        w = s.softmax(-1)
        full = w.new_zeros(*atom_mask.shape, words.shape[1])
        full[atom_mask] = w[:, 0]
        self.kept = full[:, None]
        return torch.zeros_like(atoms).masked_scatter(atom_mask[..., None], (w @ words[whose])[:, 0])


class RowNet(Net):
    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["atom_mask"]
        x = x + self.cross(x, t, batch["token_mask"], m)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


net = RowNet(len(vocabulary), attention=Rows).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
