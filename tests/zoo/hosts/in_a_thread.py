"""The evaluation runs in a thread while the main thread does a softmax of its own."""

import threading

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(71)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))


def evaluate():
    with torch.no_grad():
        for batch, rows in zip(test_loader, batches(items, 4)):
            follow(truth, net, batch, net(batch), rows)


class Other(nn.Module):
    def forward(self, x):
        return (x @ x.mT).softmax(-1)


other, stop = Other(), threading.Event()


def beside():
    while not stop.is_set():
        other(torch.ones(4, 7, 5))


threads = [threading.Thread(target=evaluate), threading.Thread(target=beside)]
for t in threads:
    t.start()
threads[0].join()
stop.set()
threads[1].join()
truth.done()
