"""A batch is an object of a class of the host, with a method that moves it."""

from dataclasses import dataclass

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(103)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
right = collator(vocabulary)


@dataclass
class Batch:
    z: torch.Tensor
    atom_mask: torch.Tensor
    input_ids: torch.Tensor
    token_mask: torch.Tensor
    target: torch.Tensor

    def to(self, device):
        return Batch(*(getattr(self, k).to(device).clone() for k in self.__dataclass_fields__))


class Objects(Net):
    def forward(self, batch):
        return super().forward(vars(batch))


net = Objects(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=lambda rows: Batch(**right(rows)))
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        follow(truth, net, vars(batch), net(batch.to("cpu")), rows)
truth.done()
