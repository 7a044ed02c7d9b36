"""The text is resampled to four learned slots first; atoms then read slots, which are not tokens."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "undirected": ["resample", "fuse"]}
seed(3)
truth, items = Truth(), crystals(14, atoms=(1, 6), words=14)
vocabulary = Vocabulary(items)


class SlotNet(nn.Module):
    def __init__(self, d=16, slots=4):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.slots = nn.Parameter(torch.randn(1, slots, d))
        self.resample = nn.MultiheadAttention(d, 2, batch_first=True)
        self.fuse = nn.MultiheadAttention(d, 2, batch_first=True)
        self.out = nn.Linear(d, 1)

    def forward(self, batch):
        words, atoms = self.word(batch["input_ids"]), self.atom(batch["z"])
        slots = self.slots.repeat(len(words), 1, 1)
        slots, _ = self.resample(slots, words, words, key_padding_mask=~batch["token_mask"])
        read, _ = self.fuse(atoms, slots, slots)
        m = batch["atom_mask"][..., None]
        return self.out(((atoms + read) * m).sum(1) / m.sum(1))[:, 0]


net = SlotNet().eval()
test_loader = DataLoader(Crystals(items), 5, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 5)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
