"""Scripted, traced and exported after each batch of the pass and after it, as before deployment."""

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch import nn
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(63)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(16, 16)

    def forward(self, x):
        return torch.softmax(self.a(x) @ self.a(x).transpose(-1, -2), -1) @ x


class Fused(Head):
    def forward(self, x):
        return torch.nn.functional.scaled_dot_product_attention(self.a(x), x, x)


heads = [Head().eval(), Fused().eval()]


def deployed():
    found, x = [], torch.ones(2, 3, 16)
    for head in heads:
        ways = (torch.jit.script(head), torch.jit.trace(head, x), torch.export.export(head, (x,)).module())
        found += [way(x).sum().item() for way in ways]
    graph = torch.jit.trace(heads[0], x).graph
    return found, [n.kind() for n in graph.nodes()], torch.fx.symbolic_trace(heads[0]).code


made = []
with torch.no_grad():
    for batch, rows in zip(
        DataLoader(Crystals(items), 6, collate_fn=collator(vocabulary)), batches(items, 6)
    ):
        follow(truth, net, batch, net(batch), rows)
        made.append(deployed())
    made.append(deployed())
truth.note(made=made)
truth.done()
