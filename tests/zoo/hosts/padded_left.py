"""Words are padded at the left, as decoders' tokenizers do; the mask is the scores' own."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "captured", "elements": "true"}
seed(73)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


def collate(rows):
    batch = right(rows)
    for name in ("input_ids", "token_mask"):
        batch[name] = batch[name].flip(1)
    n = batch["token_mask"].sum(1)
    for i, k in enumerate(n.tolist()):
        batch["input_ids"][i, -k:] = batch["input_ids"][i, -k:].flip(0)
    return batch


net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        kept = net.cross.kept
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        if truth.full:
            moved = torch.stack([w.roll(int(n), -1) for w, n in zip(kept, t)])
            truth.attention("cross", "atom_to_text", moved, a, t, items=rows)
truth.done()
