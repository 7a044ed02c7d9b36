"""Effect sizes of paired differences.

Sources: g_z and d_av after Lakens (2013) and Borenstein et al. (2009); matched-pairs rank-biserial after Kerby (2014);
Hodges and Lehmann (1963); probability of superiority after Grissom and Kim (2012).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special, stats

#: Up to this many values the Walsh averages are formed; beyond, their order statistics are searched for.
WALSH_UP_TO = 1500
#: Up to this many values the signed-rank distribution is exact; beyond, normal with a continuity correction.
EXACT_RANKS_UP_TO = 200


def hedges_correction(df: float) -> float:
    """J = Gamma(v/2) / (sqrt(v/2) Gamma((v-1)/2)) at v degrees of freedom, more than one."""
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def spread(values: np.ndarray) -> float:
    """Standard deviation; exactly 0 for values that differ in their last bits only, which carry no information."""
    if np.ptp(values) <= 8 * np.finfo(float).eps * float(np.abs(values).max()):
        return 0.0
    return float(values.std(ddof=1))


def g_z(differences: np.ndarray) -> float:
    """Bias-corrected standardised mean difference of paired values, in SDs of the differences.

    0 when every difference is 0; NaN (not defined) when all are one other number, or there are two.
    """
    sd = spread(differences)
    if sd == 0:
        return 0.0 if differences.mean() == 0 else float("nan")
    if len(differences) < 3:
        return float("nan")
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
        Estimate, low, high. The interval inverts the signed-rank test (Hollander and Wolfe 1999): exactly up to
        ``EXACT_RANKS_UP_TO`` values, which needs no resampling and holds for any continuous symmetric distribution.
    """
    n = len(differences)
    pairs = n * (n + 1) // 2
    cut = walsh_cut(n, alpha)
    middle = (pairs - 1) / 2
    ranks = (int(np.floor(middle)), int(np.ceil(middle)), cut, pairs - 1 - cut)
    if n <= WALSH_UP_TO:
        i, j = np.triu_indices(n)
        walsh = differences[i]
        walsh += differences[j]
        walsh *= 0.5
        walsh.partition(sorted(set(ranks)))
        low_mid, high_mid, low, high = (float(walsh[r]) for r in ranks)
    else:
        ordered = np.sort(differences)
        low_mid = _walsh_order_statistic(ordered, ranks[0])
        high_mid = low_mid if ranks[1] == ranks[0] else _walsh_order_statistic(ordered, ranks[1])
        low, high = (_walsh_order_statistic(ordered, r) for r in ranks[2:])
    return (low_mid + high_mid) / 2, low, high


@lru_cache(maxsize=64)
def walsh_cut(n: int, alpha: float) -> int:
    """0-based order of the Walsh average at the interval's low end.

    With q the smallest number at which the signed-rank distribution reaches alpha/2, it is the q-th smallest average (the
    first when none is so extreme).
    """
    if n <= EXACT_RANKS_UP_TO:
        ways = np.ones(1)
        for rank in range(1, n + 1):
            longer = np.zeros(len(ways) + rank)
            longer[: len(ways)] = ways / 2
            longer[rank:] += ways / 2
            ways = longer
        # sums of powers of two are exact but for the last bits
        q = int(np.searchsorted(np.cumsum(ways), alpha / 2 * (1 - 1e-12)))
        return max(q - 1, 0)
    pairs = n * (n + 1) / 2
    z = stats.norm.ppf(1 - alpha / 2)
    sd = np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return int(max(np.ceil(pairs / 2 - z * sd - 0.5) - 1, 0))


def _walsh_order_statistic(ordered: np.ndarray, rank: int) -> float:
    """The Walsh average of 0-based ``rank``, by interpolating and halving on the count of averages below.

    The counts cost N log N each; interpolation needs about ten of them, halving to the last bit about fifty.
    """

    def above(value: float) -> float:
        # pairs with d_i + d_j <= 2 value, each unordered pair once, the diagonal included
        below = np.searchsorted(ordered, 2 * value - ordered, side="right").sum()
        return float((below + np.searchsorted(ordered, value, side="right")) / 2 - (rank + 0.5))

    low, high = float(ordered[0]), float(ordered[-1])
    at_low, at_high = above(low), above(high)
    if at_low > 0:
        return low
    tolerance = 1e-10 * float(np.subtract(*np.quantile(ordered, [0.75, 0.25]))) or 1e-13 * (high - low)
    # most order statistics of interest lie near the centre: start the search there
    centre, reach = float(np.median(ordered)), 8 * (high - low) / np.sqrt(len(ordered))
    for value in (centre - reach, centre + reach):
        if low < value < high:
            found = above(value)
            if found > 0:
                high, at_high = value, found
            else:
                low, at_low = value, found
    for step in range(200):
        if high - low <= tolerance:
            break
        share = 0.5 if step % 3 == 2 else at_high / (at_high - at_low)
        middle = high - share * (high - low)
        middle = min(max(middle, low + tolerance / 2), high - tolerance / 2)
        if not low < middle < high:
            break
        found = above(middle)
        if found > 0:
            high, at_high = middle, found
        else:
            low, at_low = middle, found
    return high
