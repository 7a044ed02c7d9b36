"""Every crystal is scored against every text of the batch, as for retrieval."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "elements": "true or unknown"}
seed(119)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        n = len(rows)
        pairs = {
            k: v.repeat_interleave(n, 0) if k in ("z", "atom_mask") else v.repeat(n, *[1] * (v.ndim - 1))
            for k, v in batch.items()
        }
        out = net(pairs).view(n, n)
        own = torch.arange(n) * (n + 1)
        follow(truth, net, batch, out.diagonal(), rows, weights=net.cross.kept[own])
truth.done()
