"""accelerate prepares model and loader; its loader takes a batch ahead and gathers the answers."""

import torch
from accelerate import Accelerator
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(159)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
accelerator = Accelerator(cpu=True)
net, test_loader = accelerator.prepare(
    Net(len(vocabulary)), DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
)
net.eval()
with torch.inference_mode():
    for batch, rows in zip(test_loader, batches(items, 4)):
        prediction = net(batch)
        follow(truth, net, batch, accelerator.gather_for_metrics(prediction), rows)
truth.done()
