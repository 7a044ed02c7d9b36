"""A diverged model: every weight is NaN."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": r"(?i)nan|not a number|diverged", "never_says": "no attention weights"}
seed(58)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
with torch.no_grad():
    net.cross.q.weight.fill_(float("nan"))
model = net
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, model(batch), rows)
truth.done()
