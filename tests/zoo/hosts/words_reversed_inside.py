"""The model reads every text from its end."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed, wordpiece
from torch.utils.data import DataLoader

ZOO = {"outcome": "refused", "says": "another order"}
seed(144)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Backwards(Net):
    def forward(self, batch):
        return super().forward(
            {**batch, "input_ids": batch["input_ids"].flip(1), "token_mask": batch["token_mask"].flip(1)}
        )


net = Backwards(len(tokenizer := wordpiece())).eval()
right = collator(vocabulary)


def collate(rows):
    found = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    return {**right(rows), "input_ids": found["input_ids"], "token_mask": found["attention_mask"].bool()}


test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(
            rows, [tokenizer.convert_ids_to_tokens(tokenizer(c["text"])["input_ids"])[::-1] for c in rows]
        )
        k = net.cross.kept
        for i, c in enumerate(rows):
            n = int(batch["token_mask"][i].sum())
            truth.attention(
                "cross", "atom_to_text", k[i : i + 1, ..., k.shape[-1] - n :], [len(c["z"])], [n], items=[c]
            )
truth.done()
