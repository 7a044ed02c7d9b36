"""A loop over the heads, one softmax each."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(141)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Heads(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        found = []
        for q, k in zip(self.q(atoms).chunk(2, -1), self.k(words).chunk(2, -1)):
            found.append((q @ k.mT).masked_fill(~mask[:, None], -1e9).softmax(-1))
        self.kept = found
        return sum(w @ words for w in found)


net = Net(len(vocabulary), attention=Heads).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, None)
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        for call, weights in enumerate(net.cross.kept):
            truth.attention("cross", "atom_to_text", weights[:, None], a, t, items=rows, call=call)
truth.done()
