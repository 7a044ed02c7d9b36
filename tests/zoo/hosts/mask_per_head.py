"""A float mask of each head's own is added to the scores: half of the heads see only a window of words, none sees padding."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(151)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Windowed(CrossAttention):
    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        mask = torch.zeros(b, self.h, 1, words.shape[1]).masked_fill(~word_mask[:, None, None], -1e9)
        mask[:, 1, :, 6:] = float("-inf")
        w = (q @ k.transpose(-1, -2) / (d // self.h) ** 0.5 + mask).softmax(-1)
        self.kept = w.detach()
        return (w @ v).transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Windowed).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
