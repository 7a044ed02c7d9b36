"""The model pads its batch of token ids in place and shifts the atomic numbers."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(123)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Shifting(Net):
    def forward(self, batch):
        batch["z"].sub_(1).clamp_(min=0)
        batch["input_ids"][~batch["token_mask"]] = 3
        return super().forward(batch)


net = Shifting(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
