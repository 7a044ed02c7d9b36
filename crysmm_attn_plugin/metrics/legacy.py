"""The numbers of the original analysis script, padding and all, so that what was published can be reconciled.

It averaged the heads first, took every row of the padded batch (padded atoms too) over every token (padded tokens too),
and averaged over all rows. Source: the facts of its four formulas, on the row w / (sum w + 1e-8): entropy of w + 1e-8 in
nats, maximum, count above 0.1, Gini without the n/(n-1) correction. It worked in single precision up to the last mean,
and so does this: the sixth digit depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import stats

#: The script's metric names, in its order.
LEGACY_METRICS = ("entropy", "max_weight", "effective_tokens", "gini")


class LegacyTally:
    """Adds up the original script's metrics over batches.

    Attributes:
        rows: Rows taken, padded ones included.
        padded_rows: How many of them were padded atoms.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in LEGACY_METRICS}
        self.rows = 0
        self.padded_rows = 0

    def add(self, weights: torch.Tensor, n_atoms: list[int]) -> None:
        """Take one batch.

        Args:
            weights: (batch, heads, atoms, tokens), padded as the model had it.
            n_atoms: Real atoms of each crystal, only to count padding.
        """
        averaged = weights.detach().float().mean(1).cpu().numpy()
        rows = averaged.reshape(-1, averaged.shape[-1])
        for name, values in legacy_rows(rows).items():
            self._values[name].append(values)
        self.rows += len(rows)
        self.padded_rows += averaged.shape[0] * averaged.shape[1] - sum(n_atoms)

    def means(self) -> dict[str, float]:
        """Plain means over every row taken; NaN without any."""
        if not self.rows:
            return dict.fromkeys(LEGACY_METRICS, float("nan"))
        return {name: float(np.mean(np.concatenate(values))) for name, values in self._values.items()}


def legacy_rows(rows: np.ndarray) -> Mapping[str, np.ndarray]:
    """The four formulas on each row of a (rows, tokens) array."""
    w = rows / (rows.sum(-1, keepdims=True) + 1e-8)
    ordered = np.sort(w, axis=-1)
    n = w.shape[-1]
    rank = np.arange(1, n + 1)
    return {
        "entropy": stats.entropy(w + 1e-8, axis=-1),
        "max_weight": w.max(-1),
        "effective_tokens": (w > 0.1).sum(-1).astype(float),
        "gini": 2 * (rank * ordered).sum(-1) / (n * ordered.sum(-1)) - (n + 1) / n,
    }
