"""Test-time augmentation: the model is called on the batch and again with words shuffled; answers are averaged."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(69)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        a = net(batch)
        kept = net.cross.kept
        b = net(
            {
                **batch,
                "input_ids": batch["input_ids"].roll(1, 0),
                "token_mask": batch["token_mask"].roll(1, 0),
            }
        )
        follow(truth, net, batch, (a + b) / 2, rows, weights=kept)
truth.done()
