"""A model whose test_step calls its own forward and inner modules itself; nothing goes through __call__."""

import torch
from common import CrossAttention, Crystals, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(19)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Task(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.cross, self.out = CrossAttention(d), nn.Linear(d, 1)

    def forward(self, batch):
        x, m = self.atom.forward(batch["z"]), batch["atom_mask"]
        x = x + self.cross.forward(x, self.word.forward(batch["input_ids"]), batch["token_mask"])
        return self.out.forward((x * m[..., None]).sum(1) / m.sum(1, keepdim=True))[:, 0]

    def test_step(self, batch):
        p = self.forward(batch)
        return {"prediction": p, "loss": (p - batch["target"]).abs().mean()}


task = Task().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, task, batch, task.test_step(batch)["prediction"], rows)
truth.done()
