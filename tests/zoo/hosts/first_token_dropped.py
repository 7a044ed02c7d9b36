"""A BERT tokenizer's [CLS] is dropped before the attention: one key less than tokens."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed, wordpiece
from torch.utils.data import DataLoader

ZOO = {"undirected_is_fine": ("cross",), "elements": "true"}
seed(77)
truth, items = Truth(), crystals(12)
vocabulary, tokenizer = Vocabulary(items), wordpiece()
right = collator(vocabulary)


def collate(rows):
    found = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    return {**right(rows), "input_ids": found["input_ids"], "token_mask": found["attention_mask"].bool()}


class Dropped(Net):
    def forward(self, batch):
        return super().forward(
            {**batch, "input_ids": batch["input_ids"][:, 1:], "token_mask": batch["token_mask"][:, 1:]}
        )


net = Dropped(len(tokenizer)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        words = [tokenizer.convert_ids_to_tokens(tokenizer(c["text"])["input_ids"])[1:] for c in rows]
        truth.crystal(rows, words)
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1) - 1
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()
