"""A host that looks closely: types of iterators and functions, warning filters, printing, sampler, environment."""

import inspect
import logging
import warnings

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

ZOO = {"elements": "true"}
seed(68)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))


def looks(loop):
    return {
        "iterator": type(loop) is _SingleProcessDataLoaderIter, "sampler": type(test_loader.sampler).__name__,
        "batch_sampler": type(test_loader.batch_sampler).__name__, "length": len(test_loader),
        "attributes": sorted(vars(test_loader)), "signature": str(inspect.signature(DataLoader.__init__)),
        "filters": len(warnings.filters), "handlers": len(logging.getLogger().handlers), "grad": torch.is_grad_enabled(),
        "level": logging.getLogger().level, "default": str(torch.get_default_dtype()),
    }  # fmt: skip


loop = iter(test_loader)
truth.note(before=looks(loop))
with torch.no_grad():
    for batch, rows in zip(loop, batches(items, 4)):
        follow(truth, net, batch, net(batch), rows)
        truth.note(**{rows[0]["id"]: looks(loop)})
truth.note(rest=[len(list(loop)), len(list(test_loader))])
truth.done()
