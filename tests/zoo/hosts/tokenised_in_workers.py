"""Each text is tokenised in a worker process of the loader."""

import torch
from common import Net, batches
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch.utils.data import DataLoader, Dataset

ZOO = {"elements": "true", "tokens": "true"}
seed(43)
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


class Tokenised(Dataset):
    """Every text is tokenised when its item is asked for."""

    def __init__(self):
        self.ids = [c["id"] for c in items]

    def __len__(self):
        return len(items)

    def __getitem__(self, i):
        return {
            **items[i],
            "input_ids": tokenizer(items[i]["text"], truncation=True, max_length=40)["input_ids"],
        }


def collate(rows):
    ids, z = [c["input_ids"] for c in rows], [c["z"] for c in rows]
    return {"input_ids": pad(ids), "token_mask": real(ids), "z": pad(z), "atom_mask": real(z),
            "text": [c["text"] for c in rows]}  # fmt: skip


net = Net(len(tokenizer)).eval()
with torch.no_grad():
    for batch, rows in zip(DataLoader(Tokenised(), 4, collate_fn=collate, num_workers=1), batches(items, 4)):
        truth.predict(net(batch))
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        ids = batch["input_ids"]
        truth.crystal(rows, [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(ids, t)])
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
