"""How many crystals and seeds a comparison needs, from the parts of the variation that a pilot shows.

The mean difference over N crystals and k_a, k_b seeds has the variance

    V = (crystals^2 + noise^2 (1/k_a + 1/k_b)) / N + runs^2 (1/k_a + 1/k_b),

which ``crossed`` estimates. With few seeds that estimate, and with it the degrees of freedom, scatters widely: power from
the noncentral t distribution at the expected values is far too high (.62 for .47 with 2 seeds). So the power is the mean
over the sampling distribution of the mean squares, which are independent multiples of chi-squared in the normal two-way
layout (Searle, Casella and McCulloch 1992, chapter 4). With one seed an arm the claim is about two checkpoints: the run
term is left out, noise counts as variation between crystals, and the power is that of the paired t test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from crysmm_attn_plugin.stats.checks import paired_arrays
from crysmm_attn_plugin.stats.crossed import residual_variance
from crysmm_attn_plugin.stats.power import t_power

#: No plan asks for more crystals than this.
LARGEST_N = 1_000_000
#: Draws of the mean squares; a power of two, as Sobol points want.
DRAWS = 2048


@dataclass(frozen=True)
class Variation:
    """Standard deviations in the metric's unit (or any common one).

    Attributes:
        crystals: Of the true change between arms over crystals.
        noise: Of one crystal's value between training runs of one arm, beyond the run's own mean.
        runs: Of a training run's mean within one arm; None when no arm has two runs.
    """

    crystals: float
    noise: float
    runs: float | None

    @property
    def single_run(self) -> float:
        """SD over crystals of the change between one run of each arm."""
        return self.spread((1, 1))

    def spread(self, seeds: tuple[int, int]) -> float:
        """SD over crystals of the change between the means of this many runs."""
        return math.sqrt(self.crystals**2 + self.noise**2 * (1 / seeds[0] + 1 / seeds[1]))

    def scaled(self, factor: float) -> Variation:
        """Every part times ``factor``."""
        return Variation(
            self.crystals * factor, self.noise * factor, None if self.runs is None else self.runs * factor
        )


def variation(a: np.ndarray, b: np.ndarray) -> Variation:
    """Parts of the variation of a pilot.

    Args:
        a, b: (k, N) values of both arms; k may differ.

    Returns:
        Variance components by the method of moments, those that come out negative set to 0. With one run each, noise is
        0 and part of ``crystals``, and ``runs`` is None.

    Raises:
        StatisticsError: As ``compare_paired``.
    """
    first, second = paired_arrays(a, b)
    n = first.shape[1]
    total = float((first.mean(0) - second.mean(0)).var(ddof=1))
    repeated = [values for values in (first, second) if len(values) > 1]
    if not repeated:
        return Variation(math.sqrt(total), 0.0, None)
    weights = [len(values) - 1 for values in repeated]
    noise = float(np.average([residual_variance(v) for v in repeated], weights=weights))
    runs = float(np.average([v.mean(1).var(ddof=1) for v in repeated], weights=weights)) - noise / n
    crystals = total - noise / len(first) - noise / len(second)
    return Variation(math.sqrt(max(crystals, 0.0)), math.sqrt(noise), math.sqrt(max(runs, 0.0)))


def planned_power(
    difference: float, found: Variation, n: int, seeds: tuple[int, int], *, alpha: float = 0.05
) -> float:
    """Power to detect a true mean ``difference`` (same unit as ``found``) with n crystals and seeds per arm.

    Raises:
        ValueError: When several seeds are planned and the variation between runs is not known.
    """
    k_a, k_b = seeds
    crystals = found.spread(seeds) ** 2 / n
    if max(seeds) == 1:
        return t_power(_ratio(difference, crystals), n - 1, alpha)
    if found.runs is None:
        raise ValueError("the variation between training runs is not known")
    mean_sd = math.sqrt(crystals + found.runs**2 * (1 / k_a + 1 / k_b))
    if mean_sd == 0:
        return float(difference != 0)
    half = _half_widths(found, n, seeds, alpha)
    reached = stats.norm.sf((half - abs(difference)) / mean_sd) + stats.norm.cdf(
        (-half - abs(difference)) / mean_sd
    )
    return float(reached.mean())


@lru_cache(maxsize=32)
def _half_widths(found: Variation, n: int, seeds: tuple[int, int], alpha: float) -> np.ndarray:
    """(draws,) half-widths of the two-way t interval, from draws of what ``crossed_variance`` finds."""
    k_a, k_b = seeds
    u = _uniform()
    noise, between = found.noise**2, (found.runs or 0.0) ** 2
    crystals = found.spread(seeds) ** 2 / n * _mean_square(u[:, 0], n - 1)
    runs = overlap = bottom = np.zeros(len(u))
    known = [k for k in seeds if k > 1]
    for column, k in enumerate(known):
        row_means = (between + noise / n) * _mean_square(u[:, 1 + 2 * column], k - 1)
        residual = noise * _mean_square(u[:, 2 + 2 * column], (k - 1) * (n - 1))
        # a single run beside several borrows their variation
        share = 1 / k if len(known) == 2 else 1 / k_a + 1 / k_b
        runs = runs + row_means * share
        bottom = bottom + (row_means * share) ** 2 / (k - 1)
        overlap = overlap + residual * share / n
    variance = np.maximum(np.maximum(crystals + runs - overlap, crystals), runs)
    df = variance**2 / (bottom + crystals**2 / (n - 1))
    return np.asarray(stats.t.ppf(1 - alpha / 2, df) * np.sqrt(variance))


@lru_cache(maxsize=1)
def _uniform() -> np.ndarray:
    """(DRAWS, 5) low-discrepancy points, the same at every call, so that power is smooth in what it depends on."""
    return np.asarray(stats.qmc.Sobol(5, seed=0).random(DRAWS))


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
    unit = math.hypot(found.single_run / math.sqrt(n), found.runs or 0.0)
    return _smallest(lambda d: planned_power(d, found, n, seeds, alpha=alpha), unit, power)


def detectable_at_any_n(found: Variation, k: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """What k seeds an arm detect with endless crystals: the floor that training runs set."""
    if not found.runs:
        return 0.0
    alone = Variation(0.0, 0.0, found.runs)
    return _smallest(lambda d: planned_power(d, alone, LARGEST_N, (k, k), alpha=alpha), found.runs, power)


def _smallest(power_of: Callable[[float], float], unit: float, power: float) -> float:
    """The difference at which an increasing ``power_of`` reaches ``power``; the search starts near ``unit``."""
    if not unit:
        return 0.0
    low, high = 0.0, unit * 1e-3
    while power_of(high) < power:  # from below: far above the answer the noncentral t distribution is NaN
        low, high = high, high * 2
    while high - low > 1e-7 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def _ratio(difference: float, variance: float) -> float:
    if variance > 0:
        return abs(difference) / math.sqrt(variance)
    return math.inf if difference else 0.0
