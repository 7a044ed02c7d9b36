"""Power of the paired t test from the noncentral t distribution (Cohen 1988); with seeds, see ``planning``."""

from __future__ import annotations

import math

from scipy import optimize, stats


def paired_power(dz: float, n: int, *, alpha: float = 0.05) -> float:
    """Power of a two-sided paired t test at standardised difference ``dz`` with ``n`` crystals."""
    return t_power(abs(dz) * math.sqrt(n), n - 1, alpha)


def detectable_dz(n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest standardised mean difference that ``n`` crystals detect with this power.

    Examples:
        >>> round(detectable_dz(100), 3)
        0.283
    """
    high = 1.0 / math.sqrt(n)  # far above the answer the noncentral t distribution is NaN
    while paired_power(high, n, alpha=alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda d: paired_power(d, n, alpha=alpha) - power, 1e-6, high))


def crystals_needed(dz: float, *, power: float = 0.8, alpha: float = 0.05, largest: int = 10_000_000) -> int:
    """Fewest crystals that detect a standardised mean difference ``dz`` with this power.

    Raises:
        ValueError: When ``dz`` is zero, or more than ``largest`` are needed.

    Examples:
        >>> [crystals_needed(dz) for dz in (0.1, 0.2, 0.3, 0.5)]
        [787, 199, 90, 34]
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


def t_power(noncentrality: float, df: float, alpha: float) -> float:
    """Power of a two-sided t test at this noncentrality and these degrees of freedom."""
    if math.isinf(noncentrality):
        return 1.0
    critical = stats.t.ppf(1 - alpha / 2, df)
    if noncentrality > 35:  # beyond this scipy's noncentral t loses digits and the power is one
        return 1.0 if noncentrality > critical + 10 else float(stats.norm.cdf(noncentrality - critical))
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))
