"""One softmax over all pairs of an atom and a word of a crystal, one crystal a batch: a row is no distribution over words."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "."}
seed(157)
truth, items = Truth(), crystals(8, atoms=(1, 3))
vocabulary = Vocabulary(items)


class Joint(CrossAttention):
    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        scores = (q @ k.transpose(-1, -2)).masked_fill(~word_mask[:, None, None], float("-inf"))
        w = scores.flatten(2).softmax(-1).view_as(scores)
        return (w @ v).transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Joint).eval()
test_loader = DataLoader(Crystals(items), 1, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 1)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
