"""One crystal's description is empty: its row of weights has no real word, and is zero times something in the host's own sum."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown", "outcome": "either", "says": "."}
seed(173)
truth, items = Truth(), crystals(12)
items[5] = {**items[5], "text": ""}
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, torch.nan_to_num(net(batch)), rows)
truth.done()
