"""A batch is a tuple of two mappings, one of the crystals and one of the texts."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(101)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


def collate(rows):
    found = right(rows)
    return (
        {k: found[k] for k in ("z", "atom_mask")},
        {k: found[k] for k in ("input_ids", "token_mask")},
        found["target"],
    )


class Parts(Net):
    def forward(self, crystals_, texts):
        return super().forward({**crystals_, **texts})


net = Parts(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for (graphs, texts, _), rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, {**graphs, **texts}, net(graphs, texts), rows)
truth.done()
