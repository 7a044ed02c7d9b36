"""Two loaders side by side, one of crystals and one of texts."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "says": "."}
seed(70)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
collate = collator(vocabulary)


def of(*names):
    return lambda rows: {k: v for k, v in collate(rows).items() if k in names}


test_graphs = DataLoader(Crystals(items), 4, collate_fn=of("z", "atom_mask", "target"))
test_texts = DataLoader(Crystals(items), 4, collate_fn=of("input_ids", "token_mask"))
with torch.no_grad():
    for graphs, texts, rows in zip(test_graphs, test_texts, batches(items, 4)):
        batch = {**graphs, **texts}
        follow(truth, net, batch, net(batch), rows)
truth.done()
