"""The data set has an order of its own, beside ids in the order of the file."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader, Dataset

ZOO = {"ids": "position"}
seed(148)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Shuffled(Dataset):
    def __init__(self):
        self.order = torch.randperm(12).tolist()
        self.ids = [c["id"] for c in items]

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return items[self.order[i]]


net, data = Net(len(vocabulary)).eval(), Shuffled()
test_loader = DataLoader(data, 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches([items[i] for i in data.order], 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
