"""random_split of a data set that has ids."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader, random_split

ZOO = {"elements": "true"}
seed(31)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
train_set, test_set = random_split(Crystals(items), [4, 10], generator=torch.Generator().manual_seed(3))
order = [items[i] for i in test_set.indices]
test_loader = DataLoader(test_set, 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(order, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
