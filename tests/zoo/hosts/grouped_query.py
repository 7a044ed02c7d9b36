"""Grouped queries: four heads of atoms read two heads of words, through the fused kernel's own switch."""

import torch
import torch.nn.functional as F
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(152)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Grouped(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d // 2), nn.Linear(d, d // 2)

    def forward(self, atoms, words, word_mask):
        b, n, d = atoms.shape
        q = self.q(atoms).view(b, n, 4, 4).transpose(1, 2)
        k, v = (f(words).view(b, -1, 2, 4).transpose(1, 2) for f in (self.k, self.v))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=word_mask[:, None, None], enable_gqa=True)
        scores = (q @ k.repeat_interleave(2, 1).transpose(-1, -2) / 2).masked_fill(
            ~word_mask[:, None, None], -1e30
        )
        self.kept = (scores - scores.amax(-1, keepdim=True)).exp().detach()
        self.kept = self.kept / self.kept.sum(-1, keepdim=True)
        return out.transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Grouped).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
