"""The host sets a default device that is not where its model is: what ours makes says for itself where."""

import torch
from common import Crystals, Net, Vocabulary, batches, follow
from kit import Truth, crystals, device, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(306)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).to(where).eval()


def padded(rows):
    rows = [torch.tensor(r, device=where) for r in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def collate(rows):
    ids, z = [vocabulary.encode(c["text"]) for c in rows], [c["z"] for c in rows]
    given = {"z": padded(z), "input_ids": padded(ids)}
    return {**given, "atom_mask": given["z"] > 0, "token_mask": given["input_ids"] > 0,
            "target": torch.tensor([c["target"] for c in rows], device=where)}  # fmt: skip


test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
turns = zip(test_loader, batches(items, 4))
torch.set_default_device("cuda" if where == "cuda" else "meta")
with torch.no_grad():
    for batch, rows in turns:
        follow(truth, net, batch, net(batch), rows)
torch.set_default_device(None)
truth.done()
