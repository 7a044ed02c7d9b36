"""scaled_dot_product_attention called in the root's own forward, with a boolean mask; projections are plain layers."""

import torch
import torch.nn.functional as F
from common import Crystals, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(20)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Root(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.wq, self.wk, self.wv, self.out = (nn.Linear(d, n) for n in (d, d, d, 1))

    def heads(self, batch):
        x, t = self.atom(batch["z"]), self.word(batch["input_ids"])
        pairs = ((self.wq, x), (self.wk, t), (self.wv, t))
        return [f(y).view(*y.shape[:2], 2, -1).transpose(1, 2) for f, y in pairs]

    def forward(self, batch):
        y = F.scaled_dot_product_attention(*self.heads(batch), attn_mask=batch["token_mask"][:, None, None])
        m = batch["atom_mask"][..., None]
        return self.out((y.transpose(1, 2).flatten(2) * m).sum(1) / m.sum(1))[:, 0]


net = Root().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        if truth.full:
            q, k, _ = net.heads(batch)
            s = (q.double() @ k.double().mT / q.shape[-1] ** 0.5).masked_fill(
                ~batch["token_mask"][:, None, None], -1e30
            )
            w = s.exp() / s.exp().sum(-1, keepdim=True)
            a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
            truth.attention("*", "atom_to_text", w, a, t, items=rows)
truth.done()
