"""Padded words are attended to as if they were words: no mask anywhere, so no concentration can be told."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "concentration": "refused", "says": r"pad"}
seed(23)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Unmasked(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        return (self.q(atoms) @ self.k(words).mT / 4).softmax(-1) @ words


class Bare(Net):
    """Knows its real atoms from z; which words are real stands nowhere."""

    def forward(self, batch):
        return super().forward({**batch, "atom_mask": batch["z"] > 0, "token_mask": None})


def without_masks(rows):
    return {k: v for k, v in collator(vocabulary)(rows).items() if not k.endswith("mask")}


net = Bare(len(vocabulary), attention=Unmasked).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=without_masks)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
