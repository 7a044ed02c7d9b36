"""Ids stand in the batch as ``material_id``; the loop shuffles, and the data set is a plain list."""

import torch
from common import Net, Vocabulary, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(39)
truth, items = Truth(), crystals(14)
vocabulary = Vocabulary(items)
by_id = {c["id"]: c for c in items}
make = collator(vocabulary)


def collate(rows):
    return {**make(rows), "material_id": [c["id"] for c in rows]}


net = Net(len(vocabulary)).eval()
evaluation = DataLoader(items, 5, shuffle=True, collate_fn=collate)
with torch.no_grad():
    for batch in evaluation:
        follow(truth, net, batch, net(batch), [by_id[i] for i in batch["material_id"]])
truth.done()
