"""A decoder reads the words through keys computed once a batch, one step at a time: three steps, each a single query."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": ".", "undirected": ["", "cross", "read"]}
seed(162)
truth, items = Truth(), crystals(12, atoms=(3, 3))
vocabulary = Vocabulary(items)


class Decoder(Net):
    def __init__(self, n_words, d=16):
        super().__init__(n_words, d)
        self.step, self.out = nn.GRUCell(d, d), nn.Linear(d, 1)

    def forward(self, batch):
        words, m = self.word(batch["input_ids"]), batch["token_mask"]
        keys, values = self.cross.k(words), self.cross.v(words)
        state = self.atom(batch["z"]).mean(1)
        for _ in range(3):
            scores = (self.cross.q(state)[:, None] @ keys.transpose(1, 2)).masked_fill(
                ~m[:, None], float("-inf")
            )
            state = self.step((scores.softmax(-1) @ values)[:, 0], state)
        return self.out(state).squeeze(-1)


net = Decoder(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
truth.done()
