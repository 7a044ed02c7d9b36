"""Token ids were cached in a file by an earlier process: no tokenizer lives in this one, and no text is in the batch."""

import tempfile

import torch
from common import Net, Vocabulary, batches, follow
from kit import Truth, crystals, pad, real, seed
from torch.utils.data import DataLoader, Dataset

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(160)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
with tempfile.TemporaryFile() as file:
    torch.save(
        [(torch.tensor(c["z"]), torch.tensor(vocabulary.encode(c["text"])), c["id"]) for c in items], file
    )
    file.seek(0)
    cached = torch.load(file)
n_words = len(vocabulary)
del vocabulary


class Cached(Dataset):
    def __len__(self):
        return len(cached)

    def __getitem__(self, i):
        return cached[i]


def collate(rows):
    z, ids, names = zip(*rows)
    return {"z": pad(z), "atom_mask": real(z), "input_ids": pad(ids), "token_mask": real(ids), "id": names}


net = Net(n_words).eval()
test_loader = DataLoader(Cached(), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
truth.done()
