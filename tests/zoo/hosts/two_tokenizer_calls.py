"""The description is tokenised first, a short caption for another purpose last: the first one is read."""

import torch
from common import Net, batches
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch.utils.data import DataLoader, Dataset

ZOO = {"elements": "true", "tokens": "true"}
seed(45)
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


def collate(rows):
    enc = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    captions = tokenizer([" ".join(c["text"].split()[:3]) for c in rows], padding=True, return_tensors="pt")
    z = [c["z"] for c in rows]
    return {"caption_ids": captions["input_ids"], "input_ids": enc["input_ids"], "z": pad(z), "atom_mask": real(z),
            "token_mask": enc["attention_mask"].bool(), "id": [c["id"] for c in rows]}  # fmt: skip


class Items(Dataset):
    def __len__(self):
        return len(items)

    def __getitem__(self, i):
        return items[i]


net = Net(len(tokenizer)).eval()
with torch.no_grad():
    for batch, rows in zip(DataLoader(Items(), 4, collate_fn=collate), batches(items, 4)):
        truth.predict(net(batch))
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        ids = batch["input_ids"]
        truth.crystal(rows, [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(ids, t)])
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
