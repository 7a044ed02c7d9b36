"""The model sorts the atoms of every crystal by atomic number before its attention."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "another order"}
seed(143)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Canonical(Net):
    def forward(self, batch):
        z = batch["z"].sort(1, descending=True).values
        return super().forward({**batch, "z": z})


net = Canonical(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(
            [
                {**c, "elements": [e for _, e in sorted(zip(c["z"], c["elements"]), key=lambda p: -p[0])]}
                for c in rows
            ]
        )
        truth.attention(
            "cross",
            "atom_to_text",
            net.cross.kept,
            batch["atom_mask"].sum(1),
            batch["token_mask"].sum(1),
            items=rows,
        )
truth.done()
