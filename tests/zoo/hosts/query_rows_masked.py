"""A mask over pairs: padded atoms' rows are filled entirely with -inf and their NaN put to zero; words too."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(25)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Pairs(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask, atom_mask=None):
        pair = self.atom_mask[:, :, None] & mask[:, None]
        s = (self.q(atoms) @ self.k(words).mT / 4).masked_fill(~pair, -torch.inf)
        w = torch.nan_to_num(torch.softmax(s, -1))
        self.kept = w[:, None]
        return w @ words


class PairNet(Net):
    def forward(self, batch):
        self.cross.atom_mask = batch["atom_mask"]
        return super().forward(batch)


net = PairNet(len(vocabulary), attention=Pairs).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
