"""The model tokenises one text at a time and pads by itself."""

import torch
from common import Crystals, Net, Vocabulary, batches
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(149)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
tokenizer = wordpiece()


class OneByOne(Net):
    def forward(self, batch):
        ids = [tokenizer(t)["input_ids"] for t in batch["text"]]
        return super().forward({**batch, "input_ids": pad(ids), "token_mask": real(ids)})


def collate(rows):
    z = [c["z"] for c in rows]
    return {"z": pad(z), "atom_mask": real(z), "text": [c["text"] for c in rows]}


net = OneByOne(len(tokenizer)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        words = [tokenizer.convert_ids_to_tokens(tokenizer(c["text"])["input_ids"]) for c in rows]
        truth.crystal(rows, words)
        a = batch["atom_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, [len(x) for x in words], items=rows)
truth.done()
