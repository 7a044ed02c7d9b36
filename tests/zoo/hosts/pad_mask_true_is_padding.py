"""Tokens made in the collate function; ``pad_mask`` is True where there is padding."""

import torch
from common import batches
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(22)
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


def collate(rows):
    enc = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    z = [c["z"] for c in rows]
    return {"z": pad(z), "z_pad": ~real(z), "tokens": enc["input_ids"], "pad_mask": enc["attention_mask"] == 0,
            "id": [c["id"] for c in rows]}  # fmt: skip


class Attend(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x, t, pad_mask):
        w = (self.q(x) @ self.k(t).mT / 4).masked_fill(pad_mask.unsqueeze(1), -1e9).softmax(-1)
        self.kept = w[:, None]
        return w @ t


class Net(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(tokenizer), d)
        self.attend, self.out = Attend(), nn.Linear(d, 1)

    def forward(self, b):
        x = self.attend(self.atom(b["z"]), self.word(b["tokens"]), b["pad_mask"])
        m = ~b["z_pad"]
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]


net = Net().eval()
test_loader = DataLoader(items, 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        n, a = (~batch["pad_mask"]).sum(1), (~batch["z_pad"]).sum(1)
        truth.crystal(
            rows, [tokenizer.convert_ids_to_tokens(r[:k].tolist()) for r, k in zip(batch["tokens"], n)]
        )
        truth.attention("attend", "atom_to_text", net.attend.kept, a, n, items=rows)
truth.done()
