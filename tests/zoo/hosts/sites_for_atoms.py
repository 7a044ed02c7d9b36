"""Queries are kinds of atoms, not atoms: the mean of each element's atoms reads the words."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ["cross"]}
seed(175)
truth, items = Truth(), crystals(12, atoms=(3, 8))
vocabulary = Vocabulary(items)


class Kinds(Net):
    def forward(self, batch):
        x, t = self.atom(batch["z"]), self.word(batch["input_ids"])
        kinds = [x[i][batch["z"][i] > 0][::2] for i in range(len(x))]
        pooled = torch.nn.utils.rnn.pad_sequence(kinds, batch_first=True)
        return self.out(self.cross(pooled, t, batch["token_mask"]).mean(1)).squeeze(-1)


net = Kinds(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows)
truth.done()
