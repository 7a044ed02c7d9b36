"""Fused attention in half precision on an accelerator: the fast kernel is the host's own choice and stays it."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tolerance": 2e-3}
seed(307)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)


class Fused(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)

    def forward(self, atoms, words, word_mask):
        k, v = self.kv(words).chunk(2, -1)
        q, k, v = (x.unflatten(-1, (2, -1)).transpose(1, 2).half() for x in (self.q(atoms), k, v))
        mask = word_mask[:, None, None].expand(-1, -1, q.shape[2], -1)
        if truth.full:
            scores = (q.float() @ k.float().transpose(-1, -2)) / q.shape[-1] ** 0.5
            self.kept = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        return scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2).float()


net = Net(len(vocabulary), d=32, attention=Fused).to(where).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        batch = moved(batch, where)
        prediction = net(batch)
        follow(truth, net, batch, prediction, rows, weights=net.cross.kept if truth.full else prediction)
truth.done()
