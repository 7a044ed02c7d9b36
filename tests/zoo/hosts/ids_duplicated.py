"""Two crystals bear one id: told, kept apart, and the run can be read."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"ids": "duplicated", "says": r"(?i)duplicate|twice|same id|repeat|more than once"}
seed(40)
truth, items = Truth(), crystals(12)
items[7]["id"] = items[2]["id"]
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
