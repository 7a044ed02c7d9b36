"""Small batches put together before they are reduced: what a reduction costs does not depend on how many crystals it is for.

Hosts test with one crystal a batch (alignn does); each would cost as much as thirty together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from crysmm_attn_plugin.capture.rows import real_mask
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity

#: Crystals that are reduced together, and weights of a padded map beyond which no more are added.
TOGETHER, LARGEST = 32, 2**22


class Joining:
    """Holds small batches back until enough of them can be reduced at once.

    Args:
        together: Crystals to wait for; 1 holds nothing back.
    """

    def __init__(self, together: int) -> None:
        self._together = together
        self._waiting: list[ReadBatch] = []

    def put(self, read: ReadBatch) -> list[list[ReadBatch]]:
        """Take a batch; returns the groups that are to be reduced now, each together, in the order in which they came."""
        ready = []
        if self._waiting and (_kind(read) != _kind(self._waiting[0]) or not self._fits(read)):
            ready += self.rest()
        self._waiting.append(read)
        if sum(len(r.identity) for r in self._waiting) >= self._together:
            ready += self.rest()
        return ready

    def rest(self) -> list[list[ReadBatch]]:
        """What still waits, as one group."""
        waiting, self._waiting = self._waiting, []
        return [waiting] if waiting else []

    def _fits(self, read: ReadBatch) -> bool:
        reads = [*self._waiting, read]
        n = sum(len(r.identity) for r in reads)
        widest = (
            max(h * q * k for h, q, k in (c.weights.shape[1:] for c in calls))
            for calls in zip(*(r.calls for r in reads))
        )
        return n <= self._together and n * max(widest, default=0) <= LARGEST


def _kind(read: ReadBatch) -> tuple[Any, ...]:
    """Batches of one kind can be put together."""
    one = read.identity
    calls = (read.calls, read.baseline)
    return (
        *(
            [
                (c.module, c.call, c.direction, c.weights.shape[1], c.weights.dtype, c.weights.device)
                for c in part
            ]
            for part in calls
        ),
        None if read.prediction is None else (read.prediction.dtype, read.prediction.device),
        *(v is None for v in (one.tokens, one.targets, one.structures, one.atom_counts)),
    )


def joined(reads: Sequence[ReadBatch]) -> ReadBatch:
    """Batches of one kind as one."""
    identities = [r.identity for r in reads]
    predictions = [r.prediction.reshape(-1) for r in reads if r.prediction is not None]
    return replace(
        reads[0],
        identity=BatchIdentity(
            *(
                _in_a_row([getattr(i, name) for i in identities])
                for name in BatchIdentity.__dataclass_fields__
            )
        ),
        calls=[_call(calls, identities) for calls in zip(*(r.calls for r in reads))],
        baseline=[_call(calls, identities) for calls in zip(*(r.baseline for r in reads))],
        prediction=torch.cat(predictions) if predictions else None,
        without_mask={m for r in reads for m in r.without_mask},
        sites=[],
        facts=None,
    )


def _in_a_row(parts: Sequence[Any]) -> Any:
    return None if parts[0] is None else tuple(v for part in parts for v in part)


def _call(calls: Sequence[AttentionCall], identities: Sequence[BatchIdentity]) -> AttentionCall:
    """Calls of several batches as one, padded to the largest; what was padded is not real."""
    queries, keys = (max(c.weights.shape[i] for c in calls) for i in (2, 3))
    weights: list[torch.Tensor] = []
    query_masks: list[torch.Tensor] = []
    key_masks: list[torch.Tensor] = []
    for call, identity in zip(calls, identities):
        w = call.weights
        counts: dict[str, Sequence[int | None]] = {
            "atom": identity.n_atoms,
            "text": [None if t is None else len(t.tokens) for t in identity.tokens or ()],
        }
        # atom_to_text, text_to_atom, or nothing
        of_queries, _, of_keys = call.direction.partition("_to_")
        more, longer = queries - w.shape[2], keys - w.shape[3]
        weights.append(F.pad(w, (0, longer, 0, more)))
        query_mask = real_mask(
            call.query_mask, counts.get(of_queries) or None, w.shape[0], w.shape[2], w.device
        )
        key_mask = real_mask(call.key_mask, counts.get(of_keys) or None, w.shape[0], w.shape[3], w.device)
        query_masks.append(F.pad(query_mask, (0, more)))
        key_masks.append(F.pad(key_mask, (0, longer)))
    return replace(
        calls[0], weights=torch.cat(weights), query_mask=torch.cat(query_masks), key_mask=torch.cat(key_masks)
    )
