"""Chinese descriptions, a token a character, by a tokenizer of the host's own making from ``tokenizers``."""

import torch
from common import Crystals, Net, batches
from kit import Truth, crystals, pad, real, seed
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(161)
truth, items = Truth(), crystals(12)
systems = ("立方晶系，", "六方晶系，密堆积结构，", "单斜晶系，层状结构，原子间距较短，")
for i, c in enumerate(items):
    c["text"] = (
        f"{'、'.join(dict.fromkeys(c['elements']))}的晶体属于{systems[i % 3]}每个原子与{i + 2}个近邻成键。"
    )
letters = sorted({x for c in items for x in c["text"]})
tokenizer = Tokenizer(
    models.WordLevel({x: i + 2 for i, x in enumerate(letters)} | {"[PAD]": 0, "[UNK]": 1}, "[UNK]")
)
tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")


def collate(rows):
    ids = [e.ids for e in tokenizer.encode_batch([c["text"] for c in rows])]
    z = [c["z"] for c in rows]
    return {"z": pad(z), "atom_mask": real(z), "input_ids": pad(ids), "token_mask": real(ids),
            "text": [c["text"] for c in rows]}  # fmt: skip


net = Net(len(letters) + 2).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [list(c["text"]) for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
