"""The model is sent to a spawned process after the pass, and to one in its middle."""

import torch
import torch.multiprocessing as mp
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}


def work(net, queue):
    queue.put((type(net).__name__, float(sum(p.detach().double().sum() for p in net.parameters()))))


def ask(net):
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(net, queue))
    process.start()
    process.join()
    return process.exitcode, queue.get() if process.exitcode == 0 else None


if __name__ == "__main__":
    seed(64)
    truth, items = Truth(), crystals(8)
    vocabulary = Vocabulary(items)
    net = Net(len(vocabulary)).eval()
    answers = []
    with torch.no_grad():
        for batch, rows in zip(
            DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary)), batches(items, 4)
        ):
            follow(truth, net, batch, net(batch), rows)
            del net.cross.kept
    answers.append(ask(net))
    truth.note(answers=answers)
    truth.done()
