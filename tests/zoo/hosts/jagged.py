"""Nested tensors go into the fused kernel: no padding at all, and nothing ordinary to look at."""

import torch
import torch.nn.functional as F
from common import CrossAttention, Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "attention"}
seed(174)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Jagged(CrossAttention):
    def forward(self, atoms, words, word_mask):
        d = atoms.shape[-1]
        q = torch.nested.as_nested_tensor(list(self.q(atoms)), layout=torch.jagged)
        k, v = (
            torch.nested.as_nested_tensor(
                [row[m] for row, m in zip(f(words), word_mask)], layout=torch.jagged
            )
            for f in (self.k, self.v)
        )
        q, k, v = (x.unflatten(-1, [self.h, d // self.h]).transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        return torch.stack(list(out.unbind()))


net = Net(len(vocabulary), attention=Jagged).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
