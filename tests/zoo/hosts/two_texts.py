"""Two descriptions a crystal, each read by its own attention."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"undirected_is_fine": ("cross", "other")}
seed(120)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


def collate(rows):
    first = right(rows)
    second = right([{**c, "text": " ".join(c["text"].split()[::-1][:9])} for c in rows])
    return {**first, "second_ids": second["input_ids"], "second_mask": second["token_mask"]}


class Second(Net):
    def __init__(self, n):
        super().__init__(n)
        self.other = type(self.cross)(16)

    def forward(self, batch):
        x, t, u, m = (
            self.atom(batch["z"]),
            self.word(batch["input_ids"]),
            self.word(batch["second_ids"]),
            batch["atom_mask"],
        )
        x = x + self.cross(x, t, batch["token_mask"])
        x = x + self.other(x, u, batch["second_mask"])
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


net = Second(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, None)
        a = batch["atom_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, batch["token_mask"].sum(1), items=rows)
        truth.attention("other", "atom_to_text", net.other.kept, a, batch["second_mask"].sum(1), items=rows)
truth.done()
