"""The model is copied, saved whole and read again, and pickled: inside the pass and after it (an EMA, a snapshot)."""

import copy
import io
import pickle

import torch
from common import Crystals, Net, Vocabulary, batches, collator, follow
from kit import Truth, crystals, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true"}
seed(61)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
net = Net(len(vocabulary)).eval()


def copies(batch):
    """Outputs of every kind of copy, and how many hooks and attributes the copies bear."""
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    made = [
        copy.deepcopy(net),
        torch.load(file, weights_only=False),
        pickle.loads(pickle.dumps(net)),
        copy.copy(net),
    ]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for n in (net, *made) for m in n.modules()]
    names = [sorted(vars(m)) for m in net.modules()]
    return (
        [m(batch).tolist() for m in made],
        hooks,
        names,
        "forward" in vars(net),
        [type(m).__name__ for m in made],
    )


test_loader = DataLoader(Crystals(items), 4, collate_fn=collator(vocabulary))
with torch.no_grad():
    for i, (batch, rows) in enumerate(zip(test_loader, batches(items, 4))):
        follow(truth, net, batch, net(batch), rows)
        copy.deepcopy(net), torch.save(net, io.BytesIO())
        if i == 1:
            truth.note(before_next_batch=pickle.dumps(net.state_dict()) and sorted(vars(net)))
    truth.note(after=copies(batch))
truth.done()
