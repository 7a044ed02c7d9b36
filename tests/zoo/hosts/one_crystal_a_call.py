"""The model takes one crystal; the loop calls it once for each crystal of a batch."""

import torch
from common import Crystals, Vocabulary
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "undirected_is_fine": ["attn"]}  # the batch holds no tokens
seed(16)
truth, items = Truth(), crystals(10)
vocabulary = Vocabulary(items)


class Single(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.attn, self.out = nn.MultiheadAttention(d, 2), nn.Linear(d, 1)

    def forward(self, z, ids, **asked):
        x, t = self.atom(z), self.word(ids)  # no batch dimension at all
        y, self.kept = self.attn(x, t, t, **asked)
        return self.out((x + y).mean(0))


net = Single().eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=list)
done = []
with torch.no_grad():
    for batch in test_loader:
        for c in batch:
            done.append(net(torch.tensor(c["z"]), torch.tensor(vocabulary.encode(c["text"]))))
truth.done()
truth.predict(torch.cat(done))
truth.crystal(items, [c["text"].split() for c in items])
for c in items if truth.full else ():
    net(torch.tensor(c["z"]), torch.tensor(vocabulary.encode(c["text"])), average_attn_weights=False)
    truth.attention("attn", "atom_to_text", net.kept[None], [99], [99], items=[c])
