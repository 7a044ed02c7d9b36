"""Everything lives in a function and is gone when the process ends; the batches were fetched before the model was made."""

import torch
from common import Crystals, Net, Vocabulary, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}


def main():
    seed(130)
    truth, items = Truth(), crystals(12)
    vocabulary = Vocabulary(items)
    test_loader = DataLoader(Crystals(items), 4, shuffle=True, collate_fn=collator(vocabulary))
    with torch.no_grad():
        kept = [(batch, [items[i] for i in numbers]) for batch, numbers in fetched(test_loader, items)]
        del test_loader
        net = Net(len(vocabulary)).eval()
        for batch, rows in kept:
            follow(truth, net, batch, net(batch), rows)
    truth.done()


def fetched(loader, items):
    """Batches and who is in them, by their targets."""
    for batch in loader:
        yield (
            batch,
            [
                next(
                    i
                    for i, c in enumerate(items)
                    if torch.tensor(c["target"]) == t and c["z"] == z[: len(c["z"])].tolist()
                )
                for t, z in zip(batch["target"], batch["z"])
            ],
        )


main()
