"""Several metrics at once: step-down max-T by joint sign flips, Holm, Benjamini-Hochberg.

Sources: Westfall and Young (1993), algorithm 4.1 with sign flips; Holm (1979); Benjamini and Hochberg (1995), both from
statsmodels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.multitest import multipletests

from crysmm_attn_plugin.stats.signflip import EXACT_UP_TO, flipped_sums


def max_t_step_down(differences: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """Adjusted two-sided p-values that control the family-wise error and use the metrics' correlation.

    Args:
        differences: (N, M), one column a metric, the same crystals in every row.
        n_resamples: Sampled flips when N is above 20.
        seed: Seed of the flips.

    Returns:
        (M,) adjusted p; 1 for a column of zeros.
    """
    n, m = differences.shape
    squares = (differences**2).sum(0)
    live = squares > 0
    adjusted = np.ones(m)
    if not live.any():
        return adjusted
    values, squares = differences[:, live], squares[live]
    observed = _studentised(values.sum(0)[None], squares, n)[0]
    order = np.argsort(-observed, kind="stable")
    counts = np.zeros(len(order))
    total = 0
    for sums in flipped_sums(values, n_resamples=n_resamples, seed=seed):
        flipped = _studentised(sums, squares, n)[:, order]
        # successive maxima from the least significant metric upwards
        running = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]
        counts += (running >= observed[order] * (1 - 1e-10)).sum(0)
        total += len(sums)
    p = counts / total if n <= EXACT_UP_TO else (counts + 1) / (total + 1)
    found = np.empty(len(order))
    found[order] = np.maximum.accumulate(p)
    adjusted[live] = np.minimum(found, 1)
    return adjusted


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjusted p-values."""
    return np.asarray(multipletests(np.asarray(p_values, float), method="holm")[1])


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values (false discovery rate)."""
    return np.asarray(multipletests(np.asarray(p_values, float), method="fdr_bh")[1])


def _studentised(sums: np.ndarray, squares: np.ndarray, n: int) -> np.ndarray:
    """|t| of flipped columns: their sum of squares does not change with signs, only their mean does."""
    variance = np.maximum(squares - sums**2 / n, 1e-12 * squares) / (n - 1)
    return np.abs(sums) / np.sqrt(n * variance)
