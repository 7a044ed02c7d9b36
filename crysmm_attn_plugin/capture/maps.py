"""Whose full maps are kept: the crystals whose ids hash lowest, so that every arm keeps the same ones."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np

from crysmm_attn_plugin.records import AttentionCall


@lru_cache(maxsize=4096)
def rank_of(crystal: str) -> int:
    """A number that depends on the id alone; the lowest are kept."""
    return int.from_bytes(hashlib.blake2b(crystal.encode(), digest_size=8).digest(), "big")


class MapKeeper:
    """Keeps at most a number of crystals' maps, float16, unpadded, within a memory ceiling.

    Args:
        wanted: ``none``, ``all`` or how many crystals.
        memory_mb: Ceiling; beyond it the crystals with the highest rank are let go.
    """

    def __init__(self, wanted: str | int, memory_mb: int) -> None:
        self.limit: int | None = None if wanted == "all" else 0 if wanted == "none" else int(wanted)
        self._ceiling = memory_mb * 2**20
        self._kept: dict[str, list[tuple[dict[str, Any], np.ndarray]]] = {}
        self._bytes = 0
        self.dropped_for_memory = 0

    def wants(self, crystal: str) -> bool:
        """False when the crystal would be let go at once."""
        if self.limit is None or crystal in self._kept or len(self._kept) < self.limit:
            return self.limit != 0
        return self.limit > 0 and rank_of(crystal) < max(map(rank_of, self._kept))

    def add(self, call: AttentionCall, ids: tuple[str, ...], query_mask: Any, key_mask: Any) -> None:
        """Take one call's maps, (batch, heads, queries, keys) with their masks."""
        for i, crystal in enumerate(ids):
            if not self.wants(crystal):
                continue
            unpadded = call.weights[i][:, query_mask[i]][:, :, key_mask[i]].half().cpu().numpy()
            entry = {"id": crystal, "module": call.module, "call": call.call, "direction": call.direction}
            self._kept.setdefault(crystal, []).append((entry, unpadded))
            self._bytes += unpadded.nbytes
            self._trim()

    def _trim(self) -> None:
        while self._kept and (
            (self.limit is not None and len(self._kept) > self.limit) or self._bytes > self._ceiling
        ):
            over_count = self.limit is not None and len(self._kept) > self.limit
            worst = max(self._kept, key=rank_of)
            self._bytes -= sum(array.nbytes for _, array in self._kept.pop(worst))
            if not over_count:
                self.dropped_for_memory += 1

    def columns(self) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
        """Arrays by key and the index that names them."""
        arrays: dict[str, np.ndarray] = {}
        index: list[dict[str, Any]] = []
        for crystal in sorted(self._kept):
            for entry, array in self._kept[crystal]:
                key = f"m{len(index):06d}"
                arrays[key] = array
                index.append({"key": key, **entry})
        return arrays, index
