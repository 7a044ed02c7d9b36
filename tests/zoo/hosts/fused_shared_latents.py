"""One set of learned latents reads every crystal's words by the fused kernel: the query is never expanded."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.data import DataLoader

ZOO = {"undirected_is_fine": ("cross",), "elements": "true"}
seed(331)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Latents(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, 2, 5, d // 2))
        self.kv, self.back = nn.Linear(d, 2 * d), nn.Linear(d, d)

    def forward(self, atoms, words, word_mask):
        k, v = (x.unflatten(-1, (2, -1)).transpose(1, 2) for x in self.kv(words).chunk(2, -1))
        mask = word_mask[:, None, None].expand(-1, 2, 5, -1)
        read = scaled_dot_product_attention(self.latents, k, v, mask)
        scores = self.latents @ k.transpose(-1, -2) / k.shape[-1] ** 0.5
        self.kept = scores.masked_fill(~mask, float("-inf")).softmax(-1).detach()
        return self.back(read.transpose(1, 2).flatten(2).mean(1, keepdim=True)).expand_as(atoms)


net = Net(len(vocabulary), attention=Latents).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        truth.attention(
            "cross", "latent_to_text", net.cross.kept, [5] * len(rows), batch["token_mask"].sum(1), items=rows
        )
truth.done()
