"""How many crystals and seeds a comparison needs, from the parts of the variation that a pilot shows.

The mean difference over N crystals and k_a, k_b seeds has the variance

    V = (crystals^2 + noise^2 (1/k_a + 1/k_b)) / N + runs^2 (1/k_a + 1/k_b),

and is tested by the interval of ``engine``. With few seeds that interval's width scatters, so the power is the mean over the
sampling distribution of the mean squares, which are independent multiples of chi-squared in the normal two-way layout
(Searle, Casella and McCulloch 1992, chapter 4). A pilot's own mean squares scatter as much: two runs an arm may show a tenth
of the variation that there is. So the parts are drawn from their fiducial distribution given the pilot, and the power is the
mean over both; from the pilot's estimates alone, plans for .80 reached .50 to .59. With one seed an arm the claim is about
two checkpoints: the run term is left out, noise counts as variation between crystals, and the power is that of the paired t
test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

from crysmm_attn_plugin.stats.checks import paired_arrays
from crysmm_attn_plugin.stats.engine import residual_variance
from crysmm_attn_plugin.stats.power import t_power

#: No plan asks for more crystals than this.
LARGEST_N = 1_000_000
#: Draws of the mean squares; a power of two, as Sobol points want.
DRAWS = 2048


@dataclass(frozen=True)
class Pilot:
    """What the parts of a variation were estimated from; ``known`` parts were given and do not scatter."""

    n: int
    seeds: tuple[int, int]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variation:
    """Standard deviations in the metric's unit (or any common one).

    Attributes:
        crystals: Of the true change between arms over crystals.
        noise: Of one crystal's value between training runs of one arm, beyond the run's own mean.
        runs: Of a training run's mean within one arm; None when no arm has two runs.
        pilot: Where they come from; None when they are given and certain.
    """

    crystals: float
    noise: float
    runs: float | None
    pilot: Pilot | None = None

    @property
    def single_run(self) -> float:
        """SD over crystals of the change between one run of each arm."""
        return self.spread((1, 1))

    def spread(self, seeds: tuple[int, int]) -> float:
        """SD over crystals of the change between the means of this many runs."""
        return math.sqrt(self.crystals**2 + self.noise**2 * (1 / seeds[0] + 1 / seeds[1]))

    def scaled(self, factor: float) -> Variation:
        """Every part times ``factor``."""
        return replace(
            self,
            crystals=self.crystals * factor,
            noise=self.noise * factor,
            runs=None if self.runs is None else self.runs * factor,
        )


def variation(a: np.ndarray, b: np.ndarray) -> Variation:
    """Parts of the variation of a pilot.

    Args:
        a, b: (k, N) values of both arms; k may differ.

    Returns:
        Variance components by the method of moments, those that come out negative set to 0. With one run each, noise is
        0 and part of ``crystals``, and ``runs`` is None.

    Raises:
        StatisticsError: As ``compare_paired`` below 10 crystals.
    """
    first, second = paired_arrays(a, b)
    n = first.shape[1]
    pilot = Pilot(n, (len(first), len(second)))
    total = float((first.mean(0) - second.mean(0)).var(ddof=1))
    repeated = [values for values in (first, second) if len(values) > 1]
    if not repeated:
        return Variation(math.sqrt(total), 0.0, None, pilot)
    weights = [len(values) - 1 for values in repeated]
    noise = float(np.average([residual_variance(v) for v in repeated], weights=weights))
    runs = float(np.average([v.mean(1).var(ddof=1) for v in repeated], weights=weights)) - noise / n
    crystals = total - noise / len(first) - noise / len(second)
    return Variation(math.sqrt(max(crystals, 0.0)), math.sqrt(noise), math.sqrt(max(runs, 0.0)), pilot)


def planned_power(
    difference: float, found: Variation, n: int, seeds: tuple[int, int], *, alpha: float = 0.05
) -> float:
    """Power to detect a true mean ``difference`` (same unit as ``found``) with n crystals and seeds per arm.

    With a single seed in one arm the comparison is of checkpoints and the runs' variation is left out.

    Raises:
        ValueError: When several seeds are planned and the variation between runs is not known.
    """
    if min(seeds) == 1 and found.pilot is None:
        return t_power(_ratio(difference, found.spread(seeds) ** 2 / n), n - 1, alpha)
    if min(seeds) > 1 and found.runs is None:
        raise ValueError("the variation between training runs is not known")
    half, mean_sd = _half_widths(found, n, seeds, alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        reached = stats.norm.sf((half - abs(difference)) / mean_sd)
        reached = reached + stats.norm.cdf((-half - abs(difference)) / mean_sd)
    certain = mean_sd == 0
    return float(np.where(certain, float(difference != 0), reached).mean())


@lru_cache(maxsize=32)
def _half_widths(
    found: Variation, n: int, seeds: tuple[int, int], alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Half widths of the engine's interval and SDs of the mean, (draws,) each."""
    u = _uniform()
    crystals, noise, between = _parts(found, u)
    k_a, k_b = seeds
    share = 1 / k_a + 1 / k_b
    single = min(seeds) == 1
    c_true = (crystals + noise * share) / n
    mean_sd = np.sqrt(c_true + (0.0 if single else between * share))
    quantile = 1 - alpha / 2
    c = c_true * _mean_square(u[:, 0], n - 1)
    t2 = float(stats.t.ppf(quantile, n - 1)) ** 2
    runs = overlap = np.zeros(len(u))
    if not single:
        for column, k in enumerate(seeds):
            row_means = (between + noise / n) * _mean_square(u[:, 1 + 2 * column], k - 1)
            residual = noise * _mean_square(u[:, 2 + 2 * column], (k - 1) * (n - 1))
            runs = runs + float(stats.t.ppf(quantile, k - 1)) ** 2 * row_means / k
            overlap = overlap + residual / (n * k)
    squared = np.maximum(runs + np.maximum(c - overlap, 0) * t2, c * t2)
    return np.sqrt(squared), mean_sd


def _parts(found: Variation, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances of crystals, noise and runs, (draws,) each: fixed without a pilot, else given the pilot's mean squares."""
    ones = np.ones(len(u))
    crystals, noise, runs = found.crystals**2 * ones, found.noise**2 * ones, (found.runs or 0.0) ** 2 * ones
    pilot = found.pilot
    if pilot is None:
        return crystals, noise, runs
    n, seeds = pilot.n, pilot.seeds
    repeats = sum(k - 1 for k in seeds)
    share = 1 / seeds[0] + 1 / seeds[1]
    total = (found.crystals**2 + found.noise**2 * share) / _mean_square(u[:, 5], n - 1)
    if repeats:
        row_means = (runs + noise / n) / _mean_square(u[:, 7], repeats)
        if "noise" not in pilot.known:
            noise = noise / _mean_square(u[:, 6], repeats * (n - 1))
        if "runs" not in pilot.known:
            runs = np.maximum(row_means - noise / n, 0)
    if "crystals" not in pilot.known:
        crystals = np.maximum(total - noise * share, 0)
    return crystals, noise, runs


@lru_cache(maxsize=1)
def _uniform() -> np.ndarray:
    """(DRAWS, 8) low-discrepancy points, the same at every call, so that power is smooth in what it depends on."""
    return np.asarray(stats.qmc.Sobol(8, seed=0).random(DRAWS))


def _mean_square(u: np.ndarray, df: int) -> np.ndarray:
    """Quantiles of chi-squared over its degrees of freedom."""
    return np.asarray(stats.chi2.ppf(u, df)) / df


def crystals_for(
    difference: float,
    found: Variation,
    k: int,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    smallest: int = 10,
) -> int | None:
    """Fewest crystals (from ``smallest`` on) with k seeds in each arm; None when no number is enough.

    With a handful of seeds the training runs alone can hide a change, whatever the number of crystals.
    """

    def enough(n: int) -> bool:
        return planned_power(difference, found, n, (k, k), alpha=alpha) >= power

    low, high = smallest - 1, smallest
    while not enough(high):
        low, high = high, high * 3 // 2
        if high > LARGEST_N:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable(
    found: Variation, n: int, seeds: tuple[int, int], *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true difference that n crystals and these seeds detect with this power, in the unit of ``found``.

    Returns:
        0 when nothing varies.

    Raises:
        ValueError: As ``planned_power``.
    """
    checkpoints = min(seeds) == 1
    unit = math.hypot(found.single_run / math.sqrt(n), 0.0 if checkpoints else found.runs or 0.0)
    return _smallest(lambda d: planned_power(d, found, n, seeds, alpha=alpha), unit, power)


def detectable_at_any_n(found: Variation, k: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """What k seeds an arm detect with endless crystals: the floor that training runs set."""
    if not found.runs:
        return 0.0
    alone = replace(found, crystals=0.0, noise=0.0)
    return _smallest(lambda d: planned_power(d, alone, LARGEST_N, (k, k), alpha=alpha), found.runs, power)


def _smallest(power_of: Callable[[float], float], unit: float, power: float) -> float:
    """The difference at which an increasing ``power_of`` reaches ``power``; the search starts near ``unit``."""
    if not unit:
        return 0.0
    low, high = 0.0, unit * 1e-3
    if power_of(high) >= power:
        return 0.0 if power_of(unit * 1e-12) >= power else high
    while power_of(high) < power:  # from below: far above the answer the noncentral t distribution is NaN
        low, high = high, high * 2
        if high > unit * 1e12:
            return math.inf
    while high - low > 1e-7 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def _ratio(difference: float, variance: float) -> float:
    if variance > 0:
        return abs(difference) / math.sqrt(variance)
    return math.inf if difference else 0.0
