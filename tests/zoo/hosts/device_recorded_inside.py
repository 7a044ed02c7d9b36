"""The first batch of the loop is recorded as a CUDA graph, later ones replay it: what was recorded had no numbers yet."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, device, moved, seed
from torch.utils.data import DataLoader

ZOO = {"outcome": "either", "elements": "true", "partial": "recorded as a CUDA graph"}
seed(305)
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
still, graph, recorded = None, None, None
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        if where != "cuda":
            follow(truth, net, batch, net(batch), rows)
            continue
        if graph is None:
            still = moved(batch, where)
            with torch.cuda.stream(torch.cuda.Stream()):
                net(still)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                recorded = net(still)
        for key, value in batch.items():
            still[key].copy_(value)
        graph.replay()
        follow(truth, net, batch, recorded.clone(), rows)
truth.done()
