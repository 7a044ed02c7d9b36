"""Half precision on an accelerator: single-precision weights out of a half-precision product."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tolerance": 4e-3}
seed(302)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).to(where).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad(), torch.autocast(where, torch.bfloat16):
    for batch, rows in zip(test_loader, batches(items, 4)):
        batch = moved(batch, where)
        follow(truth, net, batch, net(batch), rows)
truth.done()
