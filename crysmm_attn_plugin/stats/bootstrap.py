"""Multinomial resamples of crystals as counts, and one matrix product for everything that is resampled together.

Above ``BOOTSTRAP_UP_TO`` crystals Student's t and the delta method take over: they differ from the bootstrap by less than
its own sampling error there. Source: Efron and Tibshirani (1993), chapters 12 and 14.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

BOOTSTRAP_UP_TO = 2000


@lru_cache(maxsize=2)
def resample_counts(n: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each of ``n`` units is drawn in each resample, (n_resamples, n) uint8 or uint16."""
    rng = np.random.default_rng(seed)
    counts: np.ndarray | None = None
    for start in range(0, n_resamples, 1000):
        rows = min(1000, n_resamples - start)
        drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        block = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        if counts is None:
            counts = np.empty((n_resamples, n), np.uint16 if n > 255 else np.uint8)
        counts[start : start + rows] = block
    if counts is None:
        return np.empty((0, n), np.uint8)
    return counts


def resampled_sums(columns: np.ndarray, *, n_resamples: int, seed: int) -> np.ndarray:
    """Column sums over every resample, (n_resamples, M) float32.

    One product for all metrics of the same crystals, in blocks, so that memory stays at the counts' own.

    Args:
        columns: (N, M) values near 1 in size; single precision keeps seven digits of each sum.
        n_resamples, seed: Of the resamples.
    """
    counts = resample_counts(len(columns), n_resamples, seed)
    values = columns.astype(np.float32)
    sums = np.empty((n_resamples, columns.shape[1]), np.float32)
    rows = max(1, 2**22 // max(len(columns), 1))
    for start in range(0, n_resamples, rows):
        block = slice(start, start + rows)
        np.matmul(counts[block].astype(np.float32), values, out=sums[block])
    return sums


def bca(estimate: float, drawn: np.ndarray, jackknife: np.ndarray, alpha: float) -> tuple[float, float]:
    """Bias-corrected and accelerated interval from bootstrap and jackknife replicates of one estimate."""
    share = ((drawn < estimate).sum() + (drawn == estimate).sum() / 2) / len(drawn)
    if np.ptp(drawn) == 0 or not 0 < share < 1:
        return float(drawn.min()), float(drawn.max())
    z0 = stats.norm.ppf(share)
    centred = jackknife.mean() - jackknife
    spread = (centred**2).sum() ** 1.5
    acceleration = float((centred**3).sum() / (6 * spread)) if spread > 0 else 0.0
    ends = []
    for z in stats.norm.ppf([alpha / 2, 1 - alpha / 2]):
        shifted = z0 + (z0 + z) / (1 - acceleration * (z0 + z))
        ends.append(float(np.quantile(drawn, stats.norm.cdf(shifted))))
    return ends[0], ends[1]
