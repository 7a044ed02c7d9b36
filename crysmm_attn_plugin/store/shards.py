"""Jobs of an array that each tested other crystals with the same weights: one run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crysmm_attn_plugin.store.reader import Run
from crysmm_attn_plugin.store.tables import Rows


class MergedRun(Run):
    """Several runs of one arm with the same weights, read as one; made by ``merge_shards``.

    Args:
        runs: The runs, oldest first.

    Attributes:
        overlap: Number of crystals that more than one of them holds.

    Raises:
        StoreError: When a crystal has other labels or another prediction in one than in another.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        first = runs[0]
        self.path, self.arm, self.info, self.manifest = first.path, first.arm, first.info, first.manifest
        self.run_id = "+".join(r.run_id for r in runs)
        self._files = first._files
        self._parts = tuple(part for run in runs for part in run._parts)
        self.first_layout = any(p.first_layout for p in self._parts)
        self.damage = tuple(d for p in self._parts for d in p.damage)
        self.state = "complete" if all(p.state == "complete" for p in self._parts) else "partial"
        self.reason = "; ".join(f"{p.path}: {p.reason}" for p in self._parts if p.reason)
        shards = [
            replace(shard, key=(number, *shard.key[1:]))
            for number, part in enumerate(self._parts)
            for shard in part._shards
        ]
        self._shards = sorted(shards, key=lambda s: not s.complete)
        rows = Rows(self._shards, self.path)
        self.overlap = sum(len(rows.dropped(s)) for s in self._shards)


def merge_shards(runs: Sequence[Run], *, checkpoint: str = "auto", split: str = "test") -> list[Run]:
    """Runs whose chosen checkpoints are the same weights become one.

    Crystals that several of them hold count once; their numbers must agree.

    Args:
        runs: Runs of one arm.
        checkpoint: Which checkpoint stands for a run (see ``Run.checkpoint``).
        split: Split that is compared.

    Raises:
        StoreError: When a crystal that two of them hold has other numbers in one than in the other.
        NothingCapturedError, UsageError: As ``Run.checkpoint``.
    """
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.checkpoint(checkpoint, split=split).digest, []).append(run)
    return [members[0] if len(members) == 1 else MergedRun(members) for members in grouped.values()]
