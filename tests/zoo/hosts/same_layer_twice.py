"""One cross attention is used in two rounds with the same weights."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(105)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)


class Twice(Net):
    def forward(self, batch):
        x, t, m = self.atom(batch["z"]), self.word(batch["input_ids"]), batch["atom_mask"]
        self.rounds = []
        for _ in range(2):
            x = x + self.cross(x, t, batch["token_mask"])
            self.rounds.append(self.cross.kept)
        return self.out((x * m[..., None]).sum(1) / m.sum(1, keepdim=True)).squeeze(-1)


net = Twice(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        truth.crystal(rows, [c["text"].split() for c in rows])
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        for call, weights in enumerate(net.rounds):
            truth.attention("cross", "atom_to_text", weights, a, t, items=rows, call=call)
truth.done()
