"""Words in chunks of eight, a softmax over each chunk, put together by their sums: no softmax is over all words."""

import torch
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "."}
seed(156)
truth, items = Truth(), crystals(12, words=14)
vocabulary = Vocabulary(items)


class Chunked(CrossAttention):
    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q, k, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2)
                   for f, x in ((self.q, atoms), (self.k, words), (self.v, words)))  # fmt: skip
        scores = (q @ k.transpose(-1, -2) / (d // self.h) ** 0.5).masked_fill(~word_mask[:, None, None], -1e9)
        parts = list(zip(scores.split(8, -1), v.split(8, -2)))
        sums = torch.stack([s.logsumexp(-1) for s, _ in parts])
        share = (sums - sums.logsumexp(0)).exp()
        out = sum(share[i][..., None] * (s.softmax(-1) @ x) for i, (s, x) in enumerate(parts))
        return out.transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Chunked).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
