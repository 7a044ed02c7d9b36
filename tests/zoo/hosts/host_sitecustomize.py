"""The host's environment has a sitecustomize and a usercustomize of its own: each runs once."""

import builtins

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {
    "elements": "true",
    "sitecustomize": "import builtins; builtins.STARTS = getattr(builtins, 'STARTS', 0) + 1\n",
}
seed(69)
truth, items = Truth(), crystals(8)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.note(starts=builtins.STARTS)
truth.done()
