"""Two one-sided tests: is the difference within the smallest effect of interest? (Schuirmann 1987)"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats.checks import seeds_by_crystals
from crysmm_attn_plugin.stats.crossed import crossed_variance


def tost(a: ArrayLike, b: ArrayLike, low: float, high: float, *, paired_seeds: bool = False) -> float:
    """The larger of the two one-sided p-values of mean(a) - mean(b) against (low, high).

    Args:
        a, b: (N,) or (k, N) values; NaN columns are left out.
        low, high: Bounds of what is too small to matter, in the values' unit.
        paired_seeds: As in ``crossed_variance``.

    Raises:
        StatisticsError: When low is not below high.
    """
    if not low < high:
        raise StatisticsError(f"the equivalence bounds must be low < high, got {low:g} and {high:g}.")
    first, second = np.atleast_2d(np.asarray(a, float)), np.atleast_2d(np.asarray(b, float))
    keep = np.isfinite(first).all(0) & np.isfinite(second).all(0)
    first, second = seeds_by_crystals(first[:, keep], "a"), seeds_by_crystals(second[:, keep], "b")
    mean = float(first.mean() - second.mean())
    variance, df, _ = crossed_variance(first, second, paired_seeds=paired_seeds)
    if variance == 0:
        return 0.0 if low < mean < high else 1.0
    se = np.sqrt(variance)
    return float(max(stats.t.sf((mean - low) / se, df), stats.t.cdf((mean - high) / se, df)))
