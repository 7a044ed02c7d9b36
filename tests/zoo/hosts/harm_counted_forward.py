"""A forward with a side effect: it draws a random number and counts; called twice it would tell."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(66)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
calls = []


class Counted(CrossAttention):
    def forward(self, atoms, words, mask, return_attention=False):
        calls.append((len(atoms), return_attention))
        if len(calls) > 3:
            raise RuntimeError("called more often than the host calls")
        y = super().forward(atoms, words, mask) + 0.1 * torch.randn(1)
        return (y, self.kept) if return_attention else y


net = Net(len(vocabulary), attention=Counted).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.note(calls=calls)
truth.done()
