"""Every crystal is looked at in three noisy copies within the batch; the mean of the three is the prediction."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected_is_fine": ("cross",)}
seed(81)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Copies(Net):
    def forward(self, batch):
        big = {k: v.repeat_interleave(3, 0) for k, v in batch.items()}
        return super().forward(big).view(-1, 3).mean(1)


net = Copies(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
