"""Maps, tokens and structures with their labels, as far as a run holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import safe_open

from crysmm_attn_plugin.errors import DamagedStoreError
from crysmm_attn_plugin.records import AttentionMap, Structure, TokenLabels
from crysmm_attn_plugin.store.listing import Entry
from crysmm_attn_plugin.store.whole import BROKEN, Files, Flaw

#: No map has more numbers; larger ones are not loaded.
MOST_NUMBERS = 2**28


@dataclass(frozen=True)
class MapEntry:
    """Where one map lies."""

    files: Files
    entry: Entry
    key: str
    id: str
    module: str
    call: int
    direction: str


def map_entries(files: Files, entry: Entry) -> list[MapEntry]:
    """The maps of one file, from its head.

    Raises:
        DamagedStoreError: When the file is not what was written.
    """
    try:
        with safe_open(files.checked(entry), framework="numpy") as handle:
            index = json.loads((handle.metadata() or {}).get("index", "[]"))
            there = set(handle.keys())
        found = [
            MapEntry(
                files,
                entry,
                str(x["key"]),
                str(x["id"]),
                str(x["module"]),
                int(x["call"]),
                str(x["direction"]),
            )
            for x in index
        ]
        if not {m.key for m in found} <= there:
            raise Flaw("lists maps that it does not hold")
    except Flaw as flaw:
        raise DamagedStoreError(files.root, entry.path, str(flaw)) from None
    except BROKEN as error:
        raise DamagedStoreError(
            files.root, entry.path, f"holds no readable maps ({type(error).__name__})"
        ) from error
    return found


def load_map(where: MapEntry, labels: Mapping[str, Any] | None) -> AttentionMap:
    """One map with the labels of its crystal, none of them where ``labels`` is None.

    Raises:
        DamagedStoreError: When the file is not what was written.
    """
    try:
        with safe_open(where.files.checked(where.entry), framework="numpy") as handle:
            shape = handle.get_slice(where.key).get_shape()
            if len(shape) != 3 or np.prod(shape, dtype=float) > MOST_NUMBERS:
                raise Flaw(f"holds a map of shape {tuple(shape)}")
            weights = handle.get_tensor(where.key).astype(np.float32)
    except Flaw as flaw:
        raise DamagedStoreError(where.files.root, where.entry.path, str(flaw)) from None
    except BROKEN as error:
        raise DamagedStoreError(
            where.files.root, where.entry.path, f"holds no readable maps ({type(error).__name__})"
        ) from error
    elements = labels["elements"] if labels is not None else None
    return AttentionMap(
        where.id,
        where.entry.checkpoint,
        where.module,
        where.call,
        where.direction,  # type: ignore[arg-type]
        weights,
        tuple(elements) if elements is not None and known(elements) else (),
        token_labels(labels),
    )


def known(value: Any) -> bool:
    """True for a sequence, False for None or NaN."""
    return hasattr(value, "__len__") and not isinstance(value, str)


def token_labels(row: Mapping[str, Any] | None) -> TokenLabels | None:
    """Token labels of a row of ``crystals``, or None where its text was not labelled."""
    import pandas as pd

    if row is None or not known(row["tokens"]):
        return None
    return TokenLabels(
        tuple(row["tokens"]),
        tuple(int(i) for i in row["word_ids"]),
        tuple(bool(s) for s in row["special"]),
        row["text"] if isinstance(row["text"], str) else "",
        bool(row["text_truncated"]) if not pd.isna(row["text_truncated"]) else False,
    )


def structure(row: Mapping[str, Any] | None) -> Structure | None:
    """The structure in a row of ``crystals``, or None where the host's data set held none."""
    if row is None or not known(row["lattice"]):
        return None
    lattice = np.asarray(row["lattice"], float).reshape(3, 3)
    coords = np.asarray(row["frac_coords"], float).reshape(-1, 3)
    elements = tuple(row["elements"]) if known(row["elements"]) else ()
    return Structure(tuple(map(tuple, lattice.tolist())), tuple(map(tuple, coords.tolist())), elements)
