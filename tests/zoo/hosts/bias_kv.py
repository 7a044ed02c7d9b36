"""``nn.MultiheadAttention`` with a learned key and a zero key appended: two keys more than words."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected_is_fine": ("cross.a",)}
seed(65)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Appended(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.a = nn.MultiheadAttention(d, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True)

    def forward(self, atoms, words, mask):
        out, w = self.a(atoms, words, words, key_padding_mask=~mask, average_attn_weights=False)
        self.kept = w
        return out


net = Net(len(vocabulary), attention=Appended).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
