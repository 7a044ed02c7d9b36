"""How many crystals and seeds a comparison needs, and what a finished one could have detected.

Source: power of the paired t test from the noncentral t distribution (Cohen 1988); with seeds, the same with the
variance and degrees of freedom of ``crossed``.
"""

from __future__ import annotations

import math

from scipy import optimize, stats


def paired_power(dz: float, n: int, *, alpha: float = 0.05) -> float:
    """Power of a two-sided paired t test at standardised difference ``dz`` with ``n`` crystals."""
    return _power(abs(dz) * math.sqrt(n), n - 1, alpha)


def detectable_dz(n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest standardised mean difference that ``n`` crystals detect with this power."""
    high = 1.0 / math.sqrt(n)  # far above the answer the noncentral t distribution is NaN
    while paired_power(high, n, alpha=alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda d: paired_power(d, n, alpha=alpha) - power, 1e-6, high))


def crystals_needed(dz: float, *, power: float = 0.8, alpha: float = 0.05, largest: int = 10_000_000) -> int:
    """Fewest crystals that detect a standardised mean difference ``dz`` with this power.

    Raises:
        ValueError: When ``dz`` is zero, or more than ``largest`` are needed.
    """
    if dz == 0:
        raise ValueError("a difference of zero cannot be detected")
    low, high = 2, 4
    while paired_power(dz, high, alpha=alpha) < power:
        low, high = high, high * 2
        if high > largest:
            raise ValueError(f"more than {largest} crystals would be needed")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_power(dz, middle, alpha=alpha) >= power else (middle, high)
    return high


def crossed_power(
    difference: float, *, n: int, k: int, sd_crystals: float, sd_runs: float, alpha: float = 0.05
) -> float:
    """Power with ``k`` seeds in each of two arms.

    Args:
        difference: True mean difference.
        n: Crystals.
        k: Seeds per arm, at least 2.
        sd_crystals: SD over crystals of the seed-averaged difference.
        sd_runs: SD over seeds of one arm's mean.
        alpha: Two-sided level.

    Raises:
        ValueError: When k is below 2 and the runs vary: one run cannot speak for an architecture.
    """
    if k < 2 and sd_runs > 0:
        raise ValueError("at least two seeds per arm are needed when training runs vary")
    crystals, runs = sd_crystals**2 / n, 2 * sd_runs**2 / k
    variance = crystals + runs
    if variance == 0:
        return 1.0
    bottom = crystals**2 / (n - 1) + (2 * (sd_runs**2 / k) ** 2 / (k - 1) if k > 1 else 0.0)
    return _power(abs(difference) / math.sqrt(variance), variance**2 / bottom, alpha)


def _power(noncentrality: float, df: float, alpha: float) -> float:
    critical = stats.t.ppf(1 - alpha / 2, df)
    if noncentrality > 35:  # beyond this scipy's noncentral t loses digits and the power is one
        return 1.0 if noncentrality > critical + 10 else float(stats.norm.cdf(noncentrality - critical))
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))
