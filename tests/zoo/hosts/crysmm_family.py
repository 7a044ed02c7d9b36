"""The original family: raw texts tokenised inside the forward, both directions from one module, a graph batch."""

import pandas as pd
import torch
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch import nn
from torch.utils.data import DataLoader, Dataset

ZOO = {"elements": "true", "tokens": "true"}
seed()
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


class Graph:
    def __init__(self, rows):
        self.ndata = {"atom_features": torch.cat([torch.eye(100)[torch.tensor(z)] for z in rows])}
        self.counts = torch.tensor([len(z) for z in rows])

    def batch_num_nodes(self):
        return self.counts


class StructureDataset(Dataset):
    def __init__(self, items):
        self.items, self.ids = items, [c["id"] for c in items]
        self.df = pd.DataFrame({"atoms": [c["atoms"] for c in items]})
        self.text, self.labels = [c["text"] for c in items], [c["target"] for c in items]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        return self.items[i]["z"], self.text[i], self.labels[i]


class FineGrainedCrossModalAttention(nn.Module):
    def __init__(self, d=24, heads=3):
        super().__init__()
        self.h = heads
        self.a2t = nn.ModuleList(nn.Linear(d, d) for _ in range(3))
        self.t2a = nn.ModuleList(nn.Linear(d, d) for _ in range(3))
        self.drop = nn.Dropout(0.1)

    def one(self, layers, q, k, mask):
        b, n, d = q.shape
        q, key, v = (f(x).view(b, -1, self.h, d // self.h).transpose(1, 2) for f, x in zip(layers, (q, k, k)))
        s = (q @ key.transpose(-2, -1) / (d // self.h) ** 0.5).masked_fill(~mask[:, None, None], -1e9)
        w = torch.softmax(s, dim=-1)
        return (self.drop(w) @ v).transpose(1, 2).reshape(b, n, d), w

    def forward(self, nodes, tokens, node_mask=None, token_mask=None, return_attention=False):
        x, w1 = self.one(self.a2t, nodes, tokens, token_mask)
        y, w2 = self.one(self.t2a, tokens, nodes, node_mask)
        self.kept = (w1.detach(), w2.detach())
        return nodes + x, tokens + y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.atom, self.word = nn.Linear(100, 24), nn.Embedding(len(tokenizer), 24)
        self.fine_grained_attention, self.out = FineGrainedCrossModalAttention(), nn.Linear(48, 1)

    def forward(self, inputs):
        g, text = inputs
        enc = tokenizer(list(text), padding=True, truncation=True, max_length=48, return_tensors="pt")
        counts = g.batch_num_nodes().tolist()
        rows = self.atom(g.ndata["atom_features"]).split(counts)
        self.sizes = (counts, enc["attention_mask"].sum(1).tolist(), enc["input_ids"])
        x, m, tm = pad(rows), real(rows), enc["attention_mask"].bool()
        x, t = self.fine_grained_attention(x, self.word(enc["input_ids"]), node_mask=m, token_mask=tm)
        pooled = [(v * k[..., None]).sum(1) / k.sum(1, keepdim=True) for v, k in ((x, m), (t, tm))]
        return self.out(torch.cat(pooled, -1)).squeeze(-1)


def collate(rows):
    z, text, target = zip(*rows)
    return Graph(z), list(text), torch.tensor(target)


net = Net().eval()
test_loader = DataLoader(StructureDataset(items), 5, collate_fn=collate)
start = 0
with torch.no_grad():
    for g, text, _ in test_loader:
        truth.predict(net((g, text)))
        batch, start = items[start : start + 5], start + 5
        a, t, ids = net.sizes
        tokens = [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(ids, t)]
        truth.crystal(batch, tokens)
        w1, w2 = net.fine_grained_attention.kept
        truth.attention("fine_grained_attention", "atom_to_text", w1, a, t, items=batch)
        truth.attention("fine_grained_attention", "text_to_atom", w2, t, a, items=batch)
truth.done()
