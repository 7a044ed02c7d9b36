"""Batches of one size for a compiler: the last one is filled up with copies of its last crystal, whose answers are dropped."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "outcome": "either", "says": ".", "never_says": "Traceback"}
seed(155)
truth, items = Truth(), crystals(10)
vocabulary = Vocabulary(items)
collate = collator(vocabulary)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(
    Crystals(items), 4, collate_fn=lambda rows: collate(rows + rows[-1:] * (4 - len(rows)))
)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch)[: len(rows)])
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept[: len(rows)], a, t, items=rows)
truth.done()
