"""Stages called one after another on the model: encode the crystal, encode the text, fuse; forward is never called."""

import torch
from common import CrossAttention, Crystals, Vocabulary, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(18)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class TwoStage(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.crystal_encoder = nn.Sequential(nn.Embedding(104, d), nn.Linear(d, d), nn.SiLU())
        self.text_encoder = nn.Sequential(nn.Embedding(len(vocabulary), d), nn.LayerNorm(d))
        self.fusion, self.head = CrossAttention(d), nn.Linear(d, 1)

    def encode_crystal(self, z):
        return self.crystal_encoder(z)

    def encode_text(self, ids):
        return self.text_encoder(ids)

    def fuse(self, x, t, m, k):
        x = x + self.fusion(x, t, k)
        return self.head((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


def test(model, loader):
    model.eval()
    at = 0
    for batch in loader:
        x = model.encode_crystal(batch["z"])
        t = model.encode_text(batch["input_ids"])
        truth.predict(model.fuse(x, t, batch["atom_mask"], batch["token_mask"]))
        rows, at = items[at : at + len(x)], at + len(x)
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, n = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("fusion", "atom_to_text", model.fusion.kept, a, n, items=rows)


with torch.no_grad():
    test(TwoStage(), DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary)))
truth.done()
