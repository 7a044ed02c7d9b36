"""Where each attention of a batch is formed when its model is called again, and maps written back in the model's own layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks.digests import unwrapped_name
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.sites import Reading, Site, keys_last
from crysmm_attn_plugin.hooks.reading.watch import Lines, Seen

#: Given the number of a call in ``ReadBatch.calls``, its first crystal, scores and weights (crystals, heads, queries, keys);
#: returns other weights of that shape, or None.
Change = Callable[[int, int, torch.Tensor, torch.Tensor], torch.Tensor | None]


@dataclass
class _Turn:
    """How far the calls of one site have come in a pass."""

    call: int = 0
    done: int = 0


@dataclass
class Placed:
    """The attention of one batch, found again each time its model is called.

    Args:
        read: The batch as it was read.
        chosen: Site -> what it was taken for.
        model: The model that is called again; its modules have the names of the one that was read.

    Attributes:
        changed: Calls of ``read.calls`` that were exchanged in the latest pass.
    """

    read: ReadBatch
    chosen: Mapping[Site, Reading | str]
    model: nn.Module
    changed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._names = {id(m): unwrapped_name(n) or type(m).__name__ for n, m in self.model.named_modules()}
        self._calls: dict[tuple[str, Lines, int], list[int]] = {}
        for number, site in enumerate(self.read.sites):
            key = (site.module, site.lines, len(site.shape))
            self._calls.setdefault(key, []).append(number)
        self._sites = {(s.module, s.lines, len(s.shape)): s for s in self.read.sites}

    def exchange(self, change: Change) -> Callable[..., torch.Tensor | None]:
        """What ``replace.replacing`` asks, for one pass with ``change``."""
        self.changed = set()
        turns: dict[tuple[str, Lines, int], _Turn] = {}

        def asked(
            owner: nn.Module | None, lines: Lines, scores: torch.Tensor, weights: torch.Tensor, axis: int
        ) -> torch.Tensor | None:
            name = "script" if owner is None else self._names.get(id(owner))
            if name is None:
                return None  # no module of this model
            key = self._key(name, lines, weights, axis)
            if key is None:
                return None
            turn = turns.setdefault(key, _Turn())
            return self._one(key, turn, change, scores, weights, axis)

        return asked

    def _key(
        self, name: str, lines: Lines, weights: torch.Tensor, axis: int
    ) -> tuple[str, Lines, int] | None:
        shown, _ = keys_last(Seen(None, lines, weights, axis, None))
        key = (name, lines, shown.ndim)
        return key if key in self._calls else None

    def _one(
        self,
        key: tuple[str, Lines, int],
        turn: _Turn,
        change: Change,
        scores: torch.Tensor,
        weights: torch.Tensor,
        axis: int,
    ) -> torch.Tensor | None:
        numbers, site, facts = self._calls[key], self._sites[key], self.read.facts
        reading = self.chosen[site]
        if turn.call >= len(numbers):
            return None  # the model is called again on the same batch: the first call is what was read
        assert isinstance(reading, Reading)
        assert facts is not None
        sizes = facts.side(reading.queries).counts if reading.layout.kind == "flat" else None
        values, _ = keys_last(Seen(None, site.lines, weights, axis, None))
        count = reading.layout.crystals(values.shape, facts.side(reading.queries).counts, turn.done)
        if not count or turn.done + count > facts.n:
            raise CaptureError(
                f"{site.module} formed another attention when the model was called again on the same batch."
            )
        number, first = numbers[turn.call], turn.done
        here = None if sizes is None else list(sizes[first : first + count])
        turn.done += count
        if turn.done == facts.n:
            turn.call, turn.done = turn.call + 1, 0

        def arranged(value: torch.Tensor) -> torch.Tensor:
            moved, _ = keys_last(Seen(None, site.lines, value.expand(weights.shape), axis, None))
            return reading.layout.arranged(moved, here)

        found = change(number, first, arranged(scores.detach()), arranged(weights.detach()))
        if found is None:
            return None
        self.changed.add(number)
        # numbers of the cells, arranged as the weights are, say where each goes back to; 0 stands for padding
        cells = torch.arange(1, weights.numel() + 1, device=weights.device).reshape(weights.shape)
        places = arranged(cells)
        out = weights.detach().clone(memory_format=torch.contiguous_format)
        real = places > 0
        out.view(-1)[places[real] - 1] = found.to(out.dtype)[real]
        return out
