"""A whole forward recorded as a CUDA graph before the loop and replayed in it: no call is made that could be seen."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "elements": "true"}
seed(304)
truth, items, where = Truth(), crystals(12), device()
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).to(where).eval()
widest = collator(vocabulary)(items)
shapes = {k: v.shape[1:] for k, v in widest.items()}


def collate(rows):
    """Batches of one shape, as a recorded graph needs them."""
    batch = collator(vocabulary)(rows)
    return {
        k: torch.nn.functional.pad(v, (0, shapes[k][0] - v.shape[1])) if v.ndim == 2 else v
        for k, v in batch.items()
    }


test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
still = moved(collate(items[:4]), where)
graph = recorded = None
with torch.no_grad():
    if where == "cuda":
        beside = torch.cuda.Stream()
        with torch.cuda.stream(beside):
            for _ in range(3):
                net(still)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            recorded = net(still)
    for batch, rows in zip(test_loader, batches(items, 4)):
        for key, value in batch.items():
            still[key].copy_(value)
        if graph is None:
            prediction = net(still)
        else:
            graph.replay()
            prediction = recorded.clone()
        follow(truth, net, batch, prediction, rows)
truth.done()
