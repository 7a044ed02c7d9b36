"""Two trained models judge every batch, one after the other, and their mean is the prediction."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "modules_end_with": True}
seed(68)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
first, second = Net(len(vocabulary)).eval(), Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        a = first(batch)
        b = second(batch)
        follow(truth, first, batch, (a + b) / 2, rows)
truth.done()
