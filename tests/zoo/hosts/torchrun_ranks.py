"""Two ranks under torchrun (gloo): DistributedDataParallel and a DistributedSampler, every crystal on one rank."""

import os

import torch
import torch.distributed as dist
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

ZOO = {"elements": "true", "command": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
       "ranks": 2}  # fmt: skip
rank = int(os.environ["RANK"])
dist.init_process_group("gloo")
seed(53)
truth, items = Truth(f".{rank}"), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary))
model = DistributedDataParallel(net).eval()
data = Crystals(items)
test_loader = DataLoader(
    data, 3, sampler=DistributedSampler(data, shuffle=False), collate_fn=collator(vocabulary)
)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items[rank::2], 3)):
        follow(truth, net, batch, model(batch), rows)
truth.done()
dist.destroy_process_group()
