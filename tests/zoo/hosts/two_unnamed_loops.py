"""A validation and a test loop over loaders whose names say nothing."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "split_by_elimination|test", "never_says": r"\.\."}
seed(82)
truth, items = Truth(), crystals(16)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
a = DataLoader(Crystals(items[:8]), 4, collate_fn=collator(vocabulary))
b = DataLoader(Crystals(items[8:]), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for loader, part in ((a, items[:8]), (b, items[8:])):
        for batch, rows in zip(loader, batches(part, 4)):
            follow(truth, net, batch, net(batch), rows)
truth.done()
