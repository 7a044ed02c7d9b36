"""The data set holds ready batches (``batch_size=None``): a position is a batch, not a crystal."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(153)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
collate = collator(vocabulary)
ready = [{**collate(rows), "material_id": [c["id"] for c in rows]} for rows in batches(items, 4)]
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(ready, batch_size=None)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
