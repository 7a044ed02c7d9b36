"""A batch of six goes through the model in slices of two crystals, padded as the batch was."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(17)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 6, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, group in zip(test_loader, batches(items, 6)):
        for i in range(0, len(group), 2):
            part = {name: value[i : i + 2] for name, value in batch.items()}
            follow(truth, net, part, net(part), group[i : i + 2])
truth.done()
