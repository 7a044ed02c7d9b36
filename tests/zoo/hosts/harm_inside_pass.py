"""Copies made and called in the middle of a pass, while a batch is open; their attention is not the model's."""

import copy
import io

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(62)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
hooks = []
with torch.no_grad():
    test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
    for batch, rows in zip(test_loader, batches(items, 4)):
        prediction = net(batch)
        snapshot = copy.deepcopy(net)
        torch.save(net, io.BytesIO())
        hooks.append(sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in snapshot.modules()))
        follow(truth, net, batch, prediction, rows)
truth.note(hooks=hooks, same=all(torch.equal(a, b) for a, b in zip(net.parameters(), snapshot.parameters())))
truth.done()
