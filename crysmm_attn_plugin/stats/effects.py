"""Effect sizes of paired differences.

Sources: g_z and d_av after Lakens (2013) and Borenstein et al. (2009); matched-pairs rank-biserial after Kerby (2014);
Hodges and Lehmann (1963); probability of superiority after Grissom and Kim (2012).
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

#: Up to this many values the Walsh averages are formed; beyond, their median is found by bisection.
WALSH_UP_TO = 1500


def hedges_correction(df: int) -> float:
    """J = Gamma(v/2) / (sqrt(v/2) Gamma((v-1)/2)) at v degrees of freedom."""
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def spread(values: np.ndarray) -> float:
    """Standard deviation; exactly 0 for values that differ in their last bits only, which carry no information."""
    if np.ptp(values) <= 8 * np.finfo(float).eps * float(np.abs(values).max()):
        return 0.0
    return float(values.std(ddof=1))


def g_z(differences: np.ndarray) -> float:
    """Bias-corrected standardised mean difference of paired values, in SDs of the differences.

    0 when every difference is 0; NaN (not defined) when all are one other number.
    """
    sd = spread(differences)
    if sd == 0:
        return 0.0 if differences.mean() == 0 else float("nan")
    return float(hedges_correction(len(differences) - 1) * differences.mean() / sd)


def d_av(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference in units of the root mean square of both arms' SDs; 0 without spread."""
    spread = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    return float((a - b).mean() / spread) if spread > 0 else 0.0


def rank_biserial(differences: np.ndarray) -> float:
    """(R+ - R-) / (R+ + R-) over the ranks of non-zero |differences|; 0 when all are zero."""
    moved = differences[differences != 0]
    if not len(moved):
        return 0.0
    ranks = stats.rankdata(np.abs(moved))
    return float((ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum())


def prob_superiority(differences: np.ndarray) -> float:
    """P(D > 0) + P(D = 0) / 2."""
    return float((differences > 0).mean() + (differences == 0).mean() / 2)


def hodges_lehmann(differences: np.ndarray, alpha: float = 0.05) -> tuple[float, float, float]:
    """Median of the Walsh averages with its distribution-free interval (signed-rank inversion).

    Args:
        differences: (N,).
        alpha: 1 - confidence.

    Returns:
        Estimate, low, high. The interval inverts the signed-rank test with its normal approximation to the order
        (Hollander and Wolfe 1999), which needs no resampling and holds for any continuous symmetric distribution.
    """
    n = len(differences)
    pairs = n * (n + 1) / 2
    z = stats.norm.ppf(1 - alpha / 2)
    cut = int(max(np.floor(pairs / 2 - z * np.sqrt(n * (n + 1) * (2 * n + 1) / 24)), 0))
    middle = ((pairs - 1) / 2, (pairs - 1) / 2)
    ranks = (int(np.floor(middle[0])), int(np.ceil(middle[1])), cut, int(pairs - 1 - cut))
    if n <= WALSH_UP_TO:
        i, j = np.triu_indices(n)
        walsh = np.sort((differences[i] + differences[j]) / 2)
        low_mid, high_mid, low, high = (float(walsh[r]) for r in ranks)
    else:
        ordered = np.sort(differences)
        low_mid, high_mid, low, high = (_walsh_order_statistic(ordered, r) for r in ranks)
    return (low_mid + high_mid) / 2, low, high


def _walsh_order_statistic(ordered: np.ndarray, rank: int) -> float:
    """The Walsh average of 0-based ``rank``, by bisection on the count of pairs (i <= j) below."""
    low, high = float(ordered[0]), float(ordered[-1])
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        # pairs with d_i + d_j <= 2 m, each unordered pair once, the diagonal included
        below = np.searchsorted(ordered, 2 * middle - ordered, side="right").sum()
        diagonal = np.searchsorted(ordered, middle, side="right")
        if (below + diagonal) / 2 > rank:
            high = middle
        else:
            low = middle
    return high
