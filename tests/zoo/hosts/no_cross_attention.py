"""Text and crystal are pooled and concatenated: there is no cross attention to capture, and nothing has ids."""

import torch
from common import CrossAttention, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": r"between atoms and tokens", "never_says": r"\bids\b"}
seed(59)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Pooled(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.text_self, self.out = CrossAttention(d), nn.Linear(2 * d, 1)

    def forward(self, b):
        t, k, m = self.word(b["input_ids"]), b["token_mask"], b["atom_mask"]
        pairs = ((self.atom(b["z"]), m), (t + self.text_self(t, t, k), k))
        return self.out(
            torch.cat([(x * q[..., None]).sum(1) / q.sum(1, keepdim=True) for x, q in pairs], -1)
        )[:, 0]


net = Pooled().eval()
test_loader = DataLoader(
    [{k: c[k] for k in ("z", "text", "target")} for c in items], 4, collate_fn=collator(vocabulary)
)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
