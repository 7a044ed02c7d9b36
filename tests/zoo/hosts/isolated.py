"""Run with python -I: variables of Python are ignored; ours and the start-up file are not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "command": ["-I"]}
seed(71)
truth, items = Truth(), crystals(8)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
