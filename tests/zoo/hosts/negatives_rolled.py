"""Every crystal is also scored against the text of its neighbour in the batch."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(118)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        out = net(batch)
        kept = net.cross.kept
        wrong = {
            **batch,
            "input_ids": batch["input_ids"].roll(1, 0),
            "token_mask": batch["token_mask"].roll(1, 0),
        }
        truth.note(**{f"negative {len(truth.crystals)}": net(wrong).tolist()})
        follow(truth, net, batch, out, rows, weights=kept)
truth.done()
