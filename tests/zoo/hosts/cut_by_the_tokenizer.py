"""The tokenizer cuts every text at 12 tokens and pads to 12."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed, wordpiece
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true", "says": "cut"}
seed(150)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
tokenizer, right = wordpiece(), collator(vocabulary)
how = {"max_length": 12, "truncation": True, "padding": "max_length"}


def collate(rows):
    found = tokenizer([c["text"] for c in rows], return_tensors="pt", **how)
    return {**right(rows), "input_ids": found["input_ids"], "token_mask": found["attention_mask"].bool()}


net = Net(len(tokenizer)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(
            rows, [tokenizer.convert_ids_to_tokens(tokenizer(c["text"], **how)["input_ids"]) for c in rows]
        )
        truth.attention(
            "cross", "atom_to_text", net.cross.kept, batch["atom_mask"].sum(1), [12] * 4, items=rows
        )
truth.done()
