"""The model halves the words before atoms read them (means of neighbours): keys are no tokens of the text any more."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ["cross"]}
seed(176)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Merging(Net):
    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["token_mask"]
        if t.shape[1] % 2:
            t, m = torch.nn.functional.pad(t, (0, 0, 0, 1)), torch.nn.functional.pad(m, (0, 1))
        t, m = t.unflatten(1, (-1, 2)).mean(2), m.unflatten(1, (-1, 2)).any(2)
        return self.out(self.cross(x, t, m).mean(1)).squeeze(-1)


net = Merging(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
