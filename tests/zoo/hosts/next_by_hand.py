"""``next`` on an iterator until it is exhausted, no ``for``."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(178)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
groups = batches(items, 4)
feed = iter(test_loader)
with torch.inference_mode():
    for number in range(len(test_loader)):
        batch = next(feed)
        follow(truth, net, batch, net(batch), groups[number])
truth.done()
