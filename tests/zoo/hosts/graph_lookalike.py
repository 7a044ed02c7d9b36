"""A graph batch of a host's own: z, batch, ptr, num_graphs; ids in ``data.id``; texts as token ids of its own."""

import torch
from common import Vocabulary, batches
from kit import Truth, crystals, flat, pad, real, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(10)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Batch:
    def __init__(self, rows):
        n = torch.tensor([len(c["z"]) for c in rows])
        self.z, self.id = flat(c["z"] for c in rows), [c["id"] for c in rows]
        self.batch, self.num_graphs = torch.repeat_interleave(torch.arange(len(rows)), n), len(rows)
        self.ptr = torch.cat([torch.zeros(1, dtype=torch.long), n.cumsum(0)])
        ids = [vocabulary.encode(c["text"]) for c in rows]
        self.input_ids, self.text_mask = pad(ids), real(ids)


class Cross(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)

    def forward(self, x, t, mask):
        k, v = (y.view(*y.shape[:2], 2, -1).transpose(1, 2) for y in self.kv(t).chunk(2, -1))
        q = self.q(x).view(*x.shape[:2], 2, -1).transpose(1, 2)
        w = torch.nn.functional.softmax((q @ k.mT / 8**0.5).masked_fill(~mask[:, None, None], -1e4), -1)
        self.kept = w.detach()
        return (w @ v).transpose(1, 2).flatten(2)


class Net(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.interaction, self.out = Cross(d), nn.Linear(d, 1)

    def forward(self, data):
        sizes = (data.ptr[1:] - data.ptr[:-1]).tolist()
        rows = self.atom(data.z).split(sizes)
        x = pad(rows)
        x = x + self.interaction(x, self.word(data.input_ids), data.text_mask)
        return self.out(torch.stack([r[:n].mean(0) for r, n in zip(x, sizes)]))[:, 0]


net = Net().eval()
test_loader = DataLoader(items, 4, collate_fn=Batch)
with torch.no_grad():
    for data, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(data))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = data.ptr[1:] - data.ptr[:-1], data.text_mask.sum(1)
        truth.attention("interaction", "atom_to_text", net.interaction.kept, a, t, items=rows)
truth.done()
