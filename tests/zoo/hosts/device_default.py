"""Everything is made where the host's default device says."""

import torch
from common import Crystals, Net, Vocabulary, batches, follow
from kit import Truth, crystals, device, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(306)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
torch.set_default_device(device())


def padded(rows):
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)


def collate(rows):
    ids, z = [vocabulary.encode(c["text"]) for c in rows], [c["z"] for c in rows]
    given = {"z": padded(z), "input_ids": padded(ids)}
    return {**given, "atom_mask": given["z"] > 0, "token_mask": given["input_ids"] > 0,
            "target": torch.tensor([c["target"] for c in rows])}  # fmt: skip


net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
