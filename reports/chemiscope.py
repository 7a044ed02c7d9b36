"""A chemiscope data set: structures and per-crystal numbers for the viewer at chemiscope's own page or in Jupyter.

The format is version-free JSON with ``meta``, ``properties`` and ``structures``, gzip-compressed (chemiscope's manual,
"Input file format"). Crystals without a stored structure are left out.
"""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison


def chemiscope_dataset(comparison: Comparison) -> dict[str, Any] | None:
    """The data set as plain values, or None when no crystal has a structure."""
    frame = comparison.samples
    structures, rows = [], []
    for position, crystal in enumerate(frame["id"]):
        found = comparison.structure(crystal)
        if found is None:
            continue
        lattice = np.asarray(found.lattice)
        xyz = np.asarray(found.frac_coords) @ lattice
        structures.append(
            {
                "size": len(found.elements),
                "names": list(found.elements),
                "x": xyz[:, 0].tolist(),
                "y": xyz[:, 1].tolist(),
                "z": xyz[:, 2].tolist(),
                "cell": lattice.ravel().tolist(),
            }
        )
        rows.append(position)
    if not structures:
        return None
    kept = frame.iloc[rows]
    properties: dict[str, Any] = {}
    for column in kept.columns:
        values = kept[column].tolist()
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            if not all(math.isfinite(v) for v in values):
                continue
        else:
            values = [str(v) for v in values]
        properties[str(column)] = {"target": "structure", "values": values}
    result = comparison.result
    return {
        "meta": {
            "name": f"Cross-modal attention: {', '.join(comparison.arms)}",
            "description": f"{len(rows)} {result.split} crystals; metrics per crystal, seed-averaged.",
        },
        "properties": properties,
        "structures": structures,
    }


def write_chemiscope(comparison: Comparison, path: Path) -> Path | None:
    """Write ``chemiscope.json.gz``; nothing when no crystal has a structure."""
    dataset = chemiscope_dataset(comparison)
    if dataset is None:
        return None
    packed = gzip.compress(json.dumps(dataset, allow_nan=False).encode(), mtime=0)
    return write_atomic(path, lambda p: p.write_bytes(packed))
