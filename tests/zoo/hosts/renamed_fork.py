"""A fork: other names, flat nodes in, another order in the batch, a dictionary out, heads averaged after the fact."""

import torch
from kit import Truth, crystals, flat, pad, real, seed, wordpiece
from torch import nn
from torch.nn.functional import softmax
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(1)
truth, items, tok = Truth(), crystals(11), wordpiece()


class Data(list):
    @property
    def ids(self):
        return [c["id"] for c in self]


class Binder(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.proj_in, self.proj_mem = heads, nn.Linear(d, d), nn.Linear(d, 2 * d)

    def forward(self, site, site_ok, piece, piece_ok):
        b, n, d = site.shape
        q = self.proj_in(site).reshape(b, n, self.heads, -1).permute(0, 2, 1, 3)
        k, v = self.proj_mem(piece).chunk(2, -1)
        k, v = (x.reshape(b, -1, self.heads, d // self.heads).permute(0, 2, 1, 3) for x in (k, v))
        logits = torch.einsum("bhnc,bhlc->bhnl", q, k) * (d // self.heads) ** -0.5
        logits = logits + torch.where(piece_ok, 0.0, -1e9)[:, None, None, :]
        self.amap = softmax(logits, dim=3)
        out = torch.einsum("bhnl,bhlc->bnhc", self.amap, v).reshape(b, n, d)
        return {"site": site + out, "map": self.amap.mean(1) * site_ok[..., None]}


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.site, self.piece = nn.Embedding(104, 20), nn.Embedding(len(tok), 20)
        self.binder, self.readout = Binder(20, 4), nn.Linear(20, 1)

    def forward(self, description, flat_z, n_sites):
        enc = tok(description, padding="longest", return_tensors="pt")
        rows = self.site(flat_z).split(n_sites)
        ok = real(rows)
        found = self.binder(pad(rows), ok, self.piece(enc.input_ids), enc.attention_mask == 1)
        self.enc = enc
        return {"y": self.readout((found["site"] * ok[..., None]).sum(1) / ok.sum(1, True))[:, 0]}


def collate(rows):
    z = [c["z"] for c in rows]
    target, n = torch.tensor([c["target"] for c in rows]), [len(x) for x in z]
    return target, [c["text"] for c in rows], {"atomic_numbers": flat(z), "natoms": n}


model = Predictor()
model.eval()
loader_test = DataLoader(Data(items), batch_size=4, collate_fn=collate)
at = 0
with torch.inference_mode():
    for _, text, graph in loader_test:
        out = model(text, graph["atomic_numbers"], graph["natoms"])
        rows, at = items[at : at + 4], at + 4
        truth.predict(out["y"])
        n = model.enc.attention_mask.sum(1).tolist()
        truth.crystal(
            rows, [tok.convert_ids_to_tokens(r[:k].tolist()) for r, k in zip(model.enc.input_ids, n)]
        )
        truth.attention("binder", "atom_to_text", model.binder.amap, graph["natoms"], n, items=rows)
truth.done()
