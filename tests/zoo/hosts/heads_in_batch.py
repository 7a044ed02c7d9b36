"""Heads merged into the batch, ``(b h) q k``, batch first inside the merge."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(11)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Merged(nn.Module):
    def __init__(self, d, heads=4):
        super().__init__()
        self.heads, self.to_q, self.to_kv = (
            heads,
            nn.Linear(d, d, bias=False),
            nn.Linear(d, 2 * d, bias=False),
        )

    def forward(self, x, context, mask):
        b, n, d = x.shape
        h = self.heads

        def split(y):
            return y.view(b, -1, h, d // h).permute(0, 2, 1, 3).reshape(b * h, -1, d // h)

        q, k, v = map(split, (self.to_q(x), *self.to_kv(context).chunk(2, -1)))
        sim = torch.einsum("b i d, b j d -> b i j", q, k) * (d // h) ** -0.5
        sim.masked_fill_(~mask.repeat_interleave(h, 0)[:, None], -torch.finfo(sim.dtype).max)
        attn = sim.softmax(dim=-1)
        self.kept = attn.view(b, h, n, -1)
        return (attn @ v).view(b, h, n, -1).transpose(1, 2).reshape(b, n, d)


net = Net(len(vocabulary), attention=Merged).eval()
test_loader = DataLoader(Crystals(items), 5, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 5)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
