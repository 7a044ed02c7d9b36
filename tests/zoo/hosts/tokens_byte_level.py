"""Byte-level pairs: a blank is a letter of the vocabulary."""

import kit
import torch
from common import Crystals, Net, batches
from kit import Truth, crystals, pad, real, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(48)
truth, items = Truth(), crystals(12)
tokenizer = kit.tokenizer("byte_level", bos_token="<s>", eos_token="</s>", pad_token="<pad>")


class TextNet(Net):
    def forward(self, batch):
        enc = tokenizer(batch["text"], padding=True, return_tensors="pt")
        self.enc = {**batch, "input_ids": enc["input_ids"], "token_mask": enc["attention_mask"].bool()}
        return super().forward(self.enc)


def collate(rows):
    z = [c["z"] for c in rows]
    return {"z": pad(z), "atom_mask": real(z), "text": [c["text"] for c in rows]}


net = TextNet(len(tokenizer)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        a, t = batch["atom_mask"].sum(1), net.enc["token_mask"].sum(1)
        words = [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(net.enc["input_ids"], t)]
        truth.crystal(rows, words)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
