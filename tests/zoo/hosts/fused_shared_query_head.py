"""One head of queries over several heads of keys, broadcast by the fused kernel; the mask has every head's axis."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(337)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class OneHeadOfQueries(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.kv, self.out = nn.Linear(d, d // 4), nn.Linear(d, 2 * d), nn.Linear(d, d)

    def forward(self, atoms, words, word_mask):
        q = self.q(atoms)[:, None]
        k, v = (x.unflatten(-1, (4, -1)).transpose(1, 2) for x in self.kv(words).chunk(2, -1))
        mask = torch.zeros(len(words), 4, atoms.shape[1], words.shape[1])
        mask = mask.masked_fill(~word_mask[:, None, None], float("-inf"))
        read = scaled_dot_product_attention(q, k, v, mask)
        self.kept = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask).softmax(-1).detach()
        return self.out(read.transpose(1, 2).flatten(2))


net = Net(len(vocabulary), attention=OneHeadOfQueries).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
