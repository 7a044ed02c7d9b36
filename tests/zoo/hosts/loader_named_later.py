"""An unnamed loop over other crystals comes first, without gradients; then the one called test_loader, which counts."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(73)
truth, items = Truth(), crystals(20)
vocabulary = Vocabulary(items)
some = DataLoader(Crystals(items[12:]), 4, collate_fn=collator(vocabulary))
test_loader = DataLoader(Crystals(items[:12]), 4, collate_fn=collator(vocabulary))
net = Net(len(vocabulary)).eval()
with torch.no_grad():
    best = min(float((net(batch) - batch["target"]).abs().mean()) for batch in some)
    for batch, rows in zip(test_loader, batches(items[:12], 4)):
        follow(truth, net, batch, net(batch), rows)
truth.note(best=best)
truth.done()
