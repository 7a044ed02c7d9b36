"""All texts are tokenised once, before any loader; the batch holds integers and no text."""

import torch
from common import Net, batches
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch.utils.data import DataLoader, Dataset

ZOO = {"elements": "true", "tokens": "true or unknown"}
seed(44)
truth, items, tokenizer = Truth(), crystals(12), wordpiece()


encoded = tokenizer([c["text"] for c in items])["input_ids"]


class Encoded(Dataset):
    def __len__(self):
        return len(items)

    def __getitem__(self, i):
        return {"z": items[i]["z"], "input_ids": encoded[i], "material_id": items[i]["id"]}


def collate(rows):
    ids, z = [c["input_ids"] for c in rows], [c["z"] for c in rows]
    return {"input_ids": pad(ids), "token_mask": real(ids), "z": pad(z), "atom_mask": real(z),
            "material_id": [c["material_id"] for c in rows]}  # fmt: skip


net = Net(len(tokenizer)).eval()
with torch.no_grad():
    for batch, rows in zip(DataLoader(Encoded(), 4, collate_fn=collate), batches(items, 4)):
        truth.predict(net(batch))
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        ids = batch["input_ids"]
        truth.crystal(rows, [tokenizer.convert_ids_to_tokens(r[:n].tolist()) for r, n in zip(ids, t)])
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
