"""PyG batches: x, z, batch, ptr, num_graphs; texts and material ids ride on the graphs."""

import torch
from kit import Truth, crystals, seed, wordpiece
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import to_dense_batch

ZOO = {"elements": "true", "tokens": "true"}
seed(9)
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


class GraphText(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.emb, self.tok_emb = nn.Embedding(104, d), nn.Embedding(len(tokenizer), d)
        self.q, self.k, self.out = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 1)

    def forward(self, data):
        x, mask = to_dense_batch(self.emb(data.z), data.batch)
        enc = tokenizer(data.text, padding=True, return_tensors="pt")
        t, keep = self.tok_emb(enc["input_ids"]), enc["attention_mask"].bool()
        scores = torch.bmm(self.q(x), self.k(t).transpose(1, 2)) / 4
        w = scores.masked_fill(~keep.unsqueeze(1), torch.finfo(scores.dtype).min).softmax(dim=-1)
        self.kept = w[:, None], mask.sum(1), keep.sum(1), enc["input_ids"]
        x = (x + torch.bmm(w, t)) * mask[..., None]
        return self.out(x.sum(1) / mask.sum(1, keepdim=True)).view(-1)


graphs = [
    Data(z=torch.tensor(c["z"]), x=torch.tensor(c["z"])[:, None].float(), text=c["text"], material_id=c["id"],
         y=torch.tensor([c["target"]]), num_nodes=len(c["z"])) for c in items
]  # fmt: skip
net = GraphText().eval()
test_loader = DataLoader(graphs, batch_size=5)
at = 0
with torch.no_grad():
    for data in test_loader:
        truth.predict(net(data))
        rows, at = items[at : at + 5], at + 5
        w, a, t, ids = net.kept
        truth.crystal(rows, [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(ids, t)])
        truth.attention("*", "atom_to_text", w, a, t, items=rows)
truth.done()
