"""Two levels: a softmax within each window of four words, then one over the windows; neither is over the words."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ["cross"]}
seed(165)
truth, items = Truth(), crystals(12, atoms=(4, 4))
vocabulary = Vocabulary(items)


class Levels(CrossAttention):
    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        extra = -words.shape[1] % 4
        words = torch.nn.functional.pad(words, (0, 0, 0, extra))
        seen = torch.nn.functional.pad(word_mask, (0, extra)).view(b, 1, 1, -1, 4)
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        scores = (q @ k.transpose(-1, -2)).unflatten(-1, (-1, 4)).masked_fill(~seen, -1e9)
        inner = scores.softmax(-1)
        outer = scores.amax(-1).softmax(-1)
        w = (inner * outer[..., None]).flatten(3)
        return (w @ v).transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Levels).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
