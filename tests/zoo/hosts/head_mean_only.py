"""nn.MultiheadAttention gives the mean of its heads back."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(113)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Mean(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.mha = nn.MultiheadAttention(d, 4, batch_first=True)

    def forward(self, atoms, words, mask):
        y, _ = self.mha(atoms, words, words, key_padding_mask=~mask)
        with torch.no_grad():
            self.kept = (
                self.mha(atoms, words, words, key_padding_mask=~mask, average_attn_weights=False)[1]
                if truth.full
                else None
            )
        return y


net = Net(len(vocabulary), attention=Mean).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows, module="cross.mha")
truth.done()
