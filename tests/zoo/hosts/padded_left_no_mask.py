"""Words are padded at the left and nothing is masked."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "."}
seed(74)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


def collate(rows):
    batch = right(rows)
    n = batch.pop("token_mask").sum(1)
    batch["input_ids"] = batch["input_ids"].flip(1)
    for i, k in enumerate(n.tolist()):
        batch["input_ids"][i, -k:] = batch["input_ids"][i, -k:].flip(0)
    return batch


class Bare(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, atoms, words, mask):
        w = (self.q(atoms) @ self.k(words).mT / 4).softmax(-1)
        self.kept = w[:, None]
        return w @ words


class Unmasked(Net):
    def forward(self, batch):
        return super().forward({**batch, "token_mask": None})


net = Unmasked(len(vocabulary), attention=Bare).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        t = (batch["input_ids"] != 0).sum(1)
        if truth.full:
            w = net.cross.kept * (batch["input_ids"] != 0)[:, None, None]
            w = w / w.sum(-1, keepdim=True)
            moved = torch.stack([x.roll(int(n), -1) for x, n in zip(w, t)])
            truth.attention("cross", "atom_to_text", moved, batch["atom_mask"].sum(1), t, items=rows)
truth.done()
