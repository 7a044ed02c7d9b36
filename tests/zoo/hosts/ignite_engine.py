"""An ignite evaluator; the process function is a closure over the model."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from ignite.engine import Engine
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(52)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary))


def process(engine, batch):
    net.eval()
    with torch.no_grad():
        p = net(batch)
    follow(truth, net, batch, p, batches(items, 4)[engine.state.iteration - 1])
    return p


Engine(process).run(DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary)))
truth.done()
