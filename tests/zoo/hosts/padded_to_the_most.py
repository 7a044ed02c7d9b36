"""Every batch is padded to 16 atoms and 40 words."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(107)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


def collate(rows):
    sizes = {"z": 16, "atom_mask": 16, "input_ids": 40, "token_mask": 40}
    return {
        k: nn.functional.pad(v, (0, sizes[k] - v.shape[1])) if k in sizes else v
        for k, v in right(rows).items()
    }


net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
