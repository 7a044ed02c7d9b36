"""A training script that starts the real work in a child whose PYTHONPATH is its own."""

import os
import subprocess
import sys
from pathlib import Path

ZOO = {"elements": "true"}
if "--work" not in sys.argv:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    sys.exit(subprocess.call([sys.executable, __file__, "--work"], env=environment))


def work():
    import torch
    from common import Crystals, Net, Vocabulary, batches, collator, follow
    from kit import Truth, crystals, seed
    from torch.utils.data import DataLoader

    seed(70)
    truth, items = Truth(), crystals(8)
    vocabulary = Vocabulary(items)
    net = Net(len(vocabulary)).eval()
    test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
    with torch.no_grad():
        for batch, rows in zip(test_loader, batches(items, 4)):
            follow(truth, net, batch, net(batch), rows)
    truth.done()


work()
