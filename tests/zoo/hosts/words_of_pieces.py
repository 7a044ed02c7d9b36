"""Pieces of a word are averaged before the attention: atoms read words, of which there are fewer than tokens."""

import kit
import torch
from common import Crystals, Net, batches
from kit import Truth, crystals, pad, real, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ["cross"]}
seed(163)
truth, items = Truth(), crystals(12)
tokenizer = kit.wordpiece()


def collate(rows):
    enc = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    word_of = [[w if w is not None else -1 for w in enc.word_ids(i)] for i in range(len(rows))]
    z = [c["z"] for c in rows]
    return {"z": pad(z), "atom_mask": real(z), "input_ids": enc["input_ids"], "word_of": torch.tensor(word_of),
            "text": [c["text"] for c in rows]}  # fmt: skip


class Pooled(Net):
    def forward(self, batch):
        pieces, of = self.word(batch["input_ids"]), batch["word_of"]
        n = int(of.max()) + 1
        member = (of[:, None] == torch.arange(n)[None, :, None]).float()
        words = member @ pieces / member.sum(-1, keepdim=True).clamp(min=1)
        x, m = self.atom(batch["z"]), batch["atom_mask"]
        x = x + self.cross(x, words, member.sum(-1) > 0)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


net = Pooled(len(tokenizer)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
