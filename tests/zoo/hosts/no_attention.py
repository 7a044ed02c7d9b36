"""No attention of any kind."""

import torch
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": r"attention", "never_says": r"\bids\b"}
seed(60)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Bag(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word, self.out = (
            nn.Embedding(104, d),
            nn.EmbeddingBag(len(vocabulary), d),
            nn.Linear(d, 1),
        )

    def forward(self, b):
        return self.out(self.atom(b["z"]).mean(1) + self.word(b["input_ids"]))[:, 0]


net = Bag().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
