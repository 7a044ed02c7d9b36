"""Whether a model keeps its batch in order: whose row is whose.

A model may sort or shuffle its batch inside (by the texts' lengths, as recurrent encoders like it) and put its answers back
in order at the end, where nobody sees that its attention was of other crystals. Two things tell: a mask that counts what the
batch counts, in another order; and tensors of the batch that are looked up, or go through a linear layer, with their rows
exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading import layers
from crysmm_attn_plugin.hooks.reading.batch import leaves
from crysmm_attn_plugin.hooks.reading.sites import Facts

#: Numbers of a batch's tensor beyond which its rows are not compared.
LARGEST = 2**22


def order_of(shown: torch.Tensor | None, label: str, facts: Facts) -> bool | None:
    """Whether a mask counts the batch's crystals in the batch's order.

    Args:
        shown: (crystals, length) bool, what the host let take part.
        label: The modality it masks; empty where nobody knows.
        facts: What is known of the batch.

    Returns:
        True: in order; False: in another; None: the mask does not tell, as all crystals count alike or nothing is known.
    """
    if shown is None or shown.shape[0] != facts.n:
        return None
    mine, length = shown.sum(-1).tolist(), shown.shape[1]
    if len(set(mine)) < 2:
        return None
    sides = [facts.side(label)] if label else [facts.atoms, facts.tokens]
    known: list[Sequence[int]] = [m.sum(-1).tolist() for m in facts.masks.values() if m.shape[1] == length]
    known += [list(s.counts) for s in sides if s.counts is not None]
    if any(mine == list(counts) for counts in known):
        return True
    return False if any(sorted(mine) == sorted(counts) for counts in known) else None


class OrderWatch:
    """Looks at what is looked up and what goes through linear layers, between ``start`` and ``stop``.

    Attributes:
        exchanged: A tensor of the batch was seen with its crystals in another order.
    """

    def __init__(self) -> None:
        self.exchanged = False
        self._batch: list[tuple[str, torch.Tensor]] = []
        self._straight: set[str] = set()
        self._inside: set[str] = set()

    @property
    def inside(self) -> set[str]:
        """Fields of the batch that were seen with the entries of a crystal in another order, and never as they are."""
        return self._inside - self._straight

    def start(self, batches: Sequence[Any]) -> None:
        """Watch while one of ``batches`` is at work."""
        found = (field for batch in batches for field in leaves(batch))
        self._batch = [
            (name, t)
            for name, t in found
            if isinstance(t, torch.Tensor) and t.ndim > 1 and len(t) and t.numel() <= LARGEST
        ]
        if self._batch:
            layers.start(self)

    def stop(self) -> None:
        """Let the batch go."""
        self._batch = []
        layers.stop(self)

    def went_through(self, value: Any, weight: Any, bias: Any, *, linear: bool) -> None:
        if type(value) is not torch.Tensor or value.ndim < 2 or value.is_meta:
            return
        if torch._C._functorch.is_functorch_wrapped_tensor(value):
            return
        with busy.working(), torch.no_grad():
            for name, own in self._batch:
                self._compare(name, own, value)

    def _compare(self, name: str, own: torch.Tensor, value: torch.Tensor) -> None:
        if own.data_ptr() == value.data_ptr() and own.shape == value.shape:
            self._straight.add(name)
            return
        if own.is_floating_point() != value.is_floating_point() or own.shape[0] != value.shape[0]:
            return
        if own.ndim != value.ndim or own.shape[2:] != value.shape[2:]:
            return
        width = min(own.shape[1], value.shape[1])  # a model may cut what no crystal of the batch fills
        mine, given = (x[:, :width].detach().cpu() for x in (own, value.to(own.dtype)))
        if not width or torch.equal(mine, given):
            self._straight.add(name)
        elif _same(mine.flatten(1), given.flatten(1)):
            self.exchanged = True
        elif width == own.shape[1] == value.shape[1] and _exchanged_inside(mine, given):
            self._inside.add(name)


def _same(rows: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether two sets of rows are the same but for their order."""
    sums = (x.double().sum(1).sort().values for x in (rows, others))
    if not torch.equal(*sums):  # spares the comparison below as a rule
        return False
    return sorted(map(tuple, rows.tolist())) == sorted(map(tuple, others.tolist()))


def _exchanged_inside(own: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether the entries of each crystal are the same in another order; padding may be moved."""
    a, b = (x.reshape(*x.shape[:2], -1) for x in (own, value))
    if not torch.equal(*(x.double().sum(2).sort(1).values for x in (a, b))):
        return False
    moved = False
    for mine, given in zip(a.tolist(), b.tolist()):
        real, theirs = ([tuple(e) for e in row if e != mine[-1]] for row in (mine, given))
        if sorted(real) != sorted(theirs):
            return False
        moved |= real != theirs
    return moved
