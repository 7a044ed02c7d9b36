"""An item is a pair of crystals; the model is called on both."""

import torch
from common import Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader, Dataset

ZOO = {"outcome": "either", "says": "."}
seed(142)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


class Pairs(Dataset):
    def __init__(self):
        self.ids = [c["id"] for c in items]

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return items[i], items[(i + 5) % 12]


def collate(pairs):
    return right([a for a, _ in pairs]), right([b for _, b in pairs])


net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Pairs(), 4, collate_fn=collate)
with torch.no_grad():
    for (one, other), rows in zip(test_loader, batches(items, 4)):
        a = net(one)
        kept = net.cross.kept
        truth.note(**{f"other {len(truth.crystals)}": net(other).tolist()})
        follow(truth, net, one, a, rows, weights=kept)
truth.done()
