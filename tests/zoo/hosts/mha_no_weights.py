"""nn.MultiheadAttention that is asked for no weights: atoms query words, padding named by key_padding_mask."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(4)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Fusion(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.mha = nn.MultiheadAttention(d, 4, dropout=0.2, batch_first=True)

    def forward(self, atoms, words, word_mask):
        return self.mha(atoms, words, words, key_padding_mask=~word_mask, need_weights=False)[0]


net = Net(len(vocabulary), attention=Fusion).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
kept = []
with torch.no_grad():
    for batch in test_loader:
        kept.append((batch, net(batch)))
truth.done()
with torch.no_grad():
    for (batch, p), rows in zip(kept, batches(items, 4)):
        w = None
        if truth.full:
            x, t = net.atom(batch["z"]), net.word(batch["input_ids"])
            w = net.cross.mha(x, t, t, key_padding_mask=~batch["token_mask"], average_attn_weights=False)[1]
        follow(truth, net, batch, p, rows, module="cross.mha", weights=w if truth.full else torch.empty(0))
