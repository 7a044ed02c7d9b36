"""One engine for a mean difference between two arms: every p, interval and bound of a comparison comes from here.

Crystals are crossed with training runs, runs nested in arms. The squared half width of the interval of a mean difference is

    h^2 = max[R + max(C - E, 0) m^2, C m^2],    R = sum_a t^2(k_a - 1) s_run,a^2 / k_a,

with C = s_D^2 / N the crystals' part (s_D over seed-averaged differences), E = sum_a s_e,a^2 / (N k_a) what C and the runs
both count, and m the crystals' critical value: Student's t with N - 1 degrees of freedom or, where it is larger, that side's
quantile of bootstrap-t, times an allowance for skewness. Each part keeps its own degrees of freedom, so arms may have other
numbers of runs and other variances (MOVER: Howe 1974; Zou and Donner 2008); a pooled t errs there (docs/statistics.md).
p is the level at which the interval just reaches the tested value, so that p and interval cannot contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import special

#: Smallest p that is told apart from zero.
_SMALLEST_P = 1e-100


@dataclass(frozen=True)
class RunPart:
    """One arm's (or the pairs') training runs: the variance of their mean and its degrees of freedom."""

    variance: float
    df: int
    runs: int


@dataclass(frozen=True)
class Spread:
    """A mean difference and all that its interval is made of.

    Attributes:
        estimate: The mean difference.
        crystals: C, the variance of the mean over crystals (or clusters of them).
        units: Crystals or clusters behind ``crystals``; its degrees of freedom are one fewer.
        skewness: Of the units' scores.
        runs: One part an arm with several runs; empty when the claim is about these checkpoints.
        overlap: E, counted by both.
        draws: Sorted studentised bootstrap means, or None for Student's t alone.
    """

    estimate: float
    crystals: float
    units: int
    skewness: float = 0.0
    runs: tuple[RunPart, ...] = ()
    overlap: float = 0.0
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def varies(self) -> bool:
        """Whether there is anything to put an interval on."""
        return self.crystals > 0 or any(part.variance > 0 for part in self.runs)

    @property
    def variance(self) -> float:
        """Estimated variance of the mean difference, never below its larger part."""
        between = sum(part.variance for part in self.runs)
        return max(self.crystals + between - self.overlap, self.crystals, between)

    @property
    def df(self) -> float:
        """Degrees of freedom of ``variance`` after Satterthwaite, for description; no interval rests on it."""
        bottom = self.crystals**2 / max(self.units - 1, 1)
        bottom += sum(part.variance**2 / part.df for part in self.runs)
        return self.variance**2 / bottom if bottom > 0 else float(self.units - 1)

    def allowance(self) -> float:
        """Factor for skewness that a small sample shows only in part.

        Lognormal changes leave bootstrap-t too short (one-sided errors of .12 for .05 at 20 units, because samples
        without the tail look symmetric); the factor, tuned in the calibration, brings them to .075 and costs 10 % of
        width for 20 symmetric changes, 3 % for 50.
        """
        return 1 + min(6 / self.units, 0.3) * abs(self.skewness)

    def half(self, alpha: float, side: int, *, new_run: bool = False) -> float:
        """Half width of the 1 - alpha interval below (``side`` -1) or above (+1) the estimate.

        Args:
            alpha: Two-sided level.
            side: -1 or 1.
            new_run: Of the interval for one new training run of each arm in place of the arms' means.
        """
        critical = t_quantile(alpha / 2, self.units - 1)
        if self.draws is not None:
            # below the mean lies the upper tail of the studentised draws
            found = -quantile(self.draws, alpha / 2) if side > 0 else quantile(self.draws, 1 - alpha / 2)
            critical = max(critical, found)
        m2 = (critical * self.allowance()) ** 2
        factor = (lambda part: 1 + part.runs) if new_run else (lambda part: 1)
        between = sum(
            t_quantile(alpha / 2, part.df) ** 2 * part.variance * factor(part) for part in self.runs
        )
        squared = max(between + max(self.crystals - self.overlap, 0.0) * m2, self.crystals * m2)
        return math.sqrt(squared)

    def interval(self, alpha: float, *, new_run: bool = False) -> tuple[float, float]:
        """Low and high end."""
        return (
            self.estimate - self.half(alpha, -1, new_run=new_run),
            self.estimate + self.half(alpha, 1, new_run=new_run),
        )

    def beyond_crystals(self, alpha: float) -> float:
        """What the runs add to the half width of the crystals alone, in quadrature."""
        t2 = t_quantile(alpha / 2, self.units - 1) ** 2
        between = sum(t_quantile(alpha / 2, part.df) ** 2 * part.variance for part in self.runs)
        squared = max(between + max(self.crystals - self.overlap, 0.0) * t2, self.crystals * t2)
        return math.sqrt(max(squared - self.crystals * t2, 0.0))

    def p_value(self, value: float = 0.0) -> float:
        """Two-sided p of ``value``: the level at which the interval just reaches it."""
        if not self.varies:
            return float(self.estimate == value)
        side = -1 if self.estimate > value else 1
        return self._level(abs(self.estimate - value), side)

    def p_above(self, value: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or below ``value``."""
        if not self.varies:
            return float(self.estimate <= value)
        if self.estimate >= value:
            return self._level(self.estimate - value, -1) / 2
        return 1 - self._level(value - self.estimate, 1) / 2

    def p_below(self, value: float) -> float:
        """One-sided p of the hypothesis that the true difference is at or above ``value``."""
        if not self.varies:
            return float(self.estimate >= value)
        if self.estimate <= value:
            return self._level(value - self.estimate, 1) / 2
        return 1 - self._level(self.estimate - value, -1) / 2

    def p_equivalence(self, low: float, high: float) -> float:
        """The larger of the two one-sided p against the bounds of what is too small to matter (Schuirmann 1987)."""
        return max(self.p_above(low), self.p_below(high))

    def _level(self, distance: float, side: int) -> float:
        """The two-sided level at which the half width on ``side`` equals ``distance``."""
        if distance == 0:
            return 1.0
        # in the logarithm of the level: p-values of 1e-40 need as many steps as those of .1
        low, high = math.log(_SMALLEST_P), 0.0
        if self.half(_SMALLEST_P, side) <= distance:
            return _SMALLEST_P
        for _ in range(60):
            middle = (low + high) / 2
            if self.half(math.exp(middle), side) > distance:
                low = middle
            else:
                high = middle
            if high - low < 1e-9:
                break
        return math.exp(high)


def t_quantile(tail: float, df: float) -> float:
    """The value that Student's t exceeds with probability ``tail`` (at most one half)."""
    return _t_quantile(float(tail), float(df))


@lru_cache(maxsize=4096)
def _t_quantile(tail: float, df: float) -> float:
    return float(max(-special.stdtrit(df, tail), 0.0)) if tail < 0.5 else 0.0


def quantile(ordered: np.ndarray, share: float) -> float:
    """Linear quantile of sorted values."""
    below, above = around(ordered, share)
    position = share * (len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))


def around(values: np.ndarray, share: float) -> tuple[int, int]:
    """Ranks of the two values between which a quantile lies."""
    below = min(int(share * (len(values) - 1)), len(values) - 2)
    return below, below + 1


def residual_variance(values: np.ndarray) -> float:
    """Mean square of what is left of (k, N) values after seed and crystal means."""
    k, n = values.shape
    residual = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()
    return float((residual**2).sum() / ((k - 1) * (n - 1)))
