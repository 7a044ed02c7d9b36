"""The model works on a stream of its own beside the one the loop is on."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(303)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).to(where).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
beside = torch.cuda.Stream() if where == "cuda" else None
busy = torch.randn(2048, 2048, device=where) if beside else None
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        batch = moved(batch, where)
        if beside is None:
            prediction = net(batch)
        else:
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(40):  # the attention is formed long after it was asked for
                    busy = torch.tanh(busy @ busy)
                prediction = net(batch)
            beside.synchronize() if truth.full else None
        if beside is not None and not truth.full:
            torch.cuda.current_stream().wait_stream(beside)
        follow(truth, net, batch, prediction, rows)
truth.done()
