"""Training runs as units: permutation of runs between arms, runs that collapsed, the spread that would explain a gap."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from crysmm_attn_plugin.stats.engine import t_quantile

#: Up to this many ways to share the runs out every one is counted.
EVERY_WAY_UP_TO = 20_000
#: Level, shared by an arm's runs, at which one run lies too far from the others.
COLLAPSE_LEVEL = 0.001


def run_permutation(
    a: np.ndarray, b: np.ndarray, *, paired: bool = False, n_resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Two-sided p of the difference between the runs' means when runs are shared out between the arms at random.

    The difference is studentised with each arm's own spread (Janssen 1997), which orders equal numbers of runs as the plain
    difference does. The null hypothesis is that runs of both arms are alike, in spread too: where arms of unequal numbers of
    runs scatter unequally, the plain difference rejects equal means in .24 of studies and the studentised one in .11, so
    that no verdict rests on p. With 2, 3, 4, 5 runs an arm p cannot be below .333, .100, .029, .008, whatever the numbers.

    Args:
        a, b: (k,) mean of every run.
        paired: Run j of one arm belongs to run j of the other: then their differences change sign.
        n_resamples, seed: For more than ``EVERY_WAY_UP_TO`` ways.

    Returns:
        p, and the smallest that these numbers of runs can give. NaN where neither arm has two runs.
    """
    if paired:
        d = a - b
        if len(d) < 2:
            return math.nan, math.nan
        signs, exact = _signs(len(d), n_resamples, seed)
        shifted = np.abs(signs @ d)
        return _share(shifted, abs(float(d.sum())), exact, 2 / 2 ** len(d))
    if max(len(a), len(b)) < 2:
        return math.nan, math.nan
    # about their mean: squares of large numbers that differ little would lose their digits
    every = np.concatenate([a, b]) - np.concatenate([a, b]).mean()
    k, total = len(a), len(every)
    ways = math.comb(total, k)
    if ways <= EVERY_WAY_UP_TO:
        chosen = np.array(list(combinations(range(total), k)))
        exact = True
    else:
        rng = np.random.default_rng(seed)
        chosen = np.argsort(rng.random((n_resamples, total)), axis=1)[:, :k]
        exact = False
    statistics = _studentised(every, chosen)
    smallest = (2 if len(a) == len(b) else 1) / ways
    return _share(statistics, float(_studentised(every, np.arange(k)[None])[0]), exact, smallest)


def _studentised(every: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(ways,) absolute difference of means in units of its standard error; of means alone where an arm has one run.

    Args:
        every: (K,) values of all runs, centred.
        chosen: (ways, k) which of them make up the first arm.
    """
    k, rest = chosen.shape[1], len(every) - chosen.shape[1]
    first = every[chosen]
    sums, squares = first.sum(1), (first**2).sum(1)
    other = every.sum() - sums
    difference = np.abs(sums / k - other / rest)
    if min(k, rest) < 2:
        return np.asarray(difference)
    variance = (squares - sums**2 / k) / (k - 1) / k
    variance += ((every**2).sum() - squares - other**2 / rest) / (rest - 1) / rest
    # runs without any scatter: their standard error is what rounding leaves, not 0
    return np.asarray(difference / np.sqrt(np.maximum(variance, 1e-12 * max(float(every.var()), 1e-300))))


def _signs(k: int, n_resamples: int, seed: int) -> tuple[np.ndarray, bool]:
    if 2**k <= EVERY_WAY_UP_TO:
        return 2.0 * ((np.arange(2**k)[:, None] >> np.arange(k)) & 1) - 1.0, True
    return np.random.default_rng(seed).choice([-1.0, 1.0], (n_resamples, k)), False


def _share(values: np.ndarray, observed: float, exact: bool, smallest: float) -> tuple[float, float]:
    reached = int((values >= observed - 1e-8 * (1 + observed)).sum())
    if exact:
        return reached / len(values), smallest
    return (reached + 1) / (len(values) + 1), max(smallest, 1 / (len(values) + 1))


def collapsed(means: np.ndarray, noise: float = 0.0) -> list[int]:
    """Runs of one arm that lie so far from its others that they are another kind of run.

    A training that sometimes collapses makes a mixture: the arm's mean is then no centre, few runs cannot show the
    mixture's spread, and no interval holds its level. The far runs (fewer than half, so that two may not hide each other)
    are studentised by the others (three at least), with Student's t at ``COLLAPSE_LEVEL`` shared by the runs.

    Args:
        means: (k,) mean of every run.
        noise: SD that such a mean has from its crystals alone; runs closer than ten of these are never far.
    """
    k = len(means)
    found: set[int] = set()
    order = np.argsort(-np.abs(means - np.median(means)), kind="stable")
    for out in range(1, min((k - 1) // 2, k - 3) + 1):
        far, near = order[:out], means[order[out:]]
        critical = t_quantile(COLLAPSE_LEVEL / k / 2, len(near) - 1)
        scale = max(float(near.std(ddof=1)), noise / 10, 1e-12 * float(np.abs(means).max()))
        distances = np.abs(means[far] - near.mean())
        if (distances > np.maximum(critical * scale * math.sqrt(1 + 1 / len(near)), 10 * noise)).all():
            found |= set(far.tolist())
    return sorted(found)


def break_even_run_sd(gap: float, runs: tuple[int, int]) -> float:
    """SD between training runs above which training alone gives such a gap in more than 1 of 20 comparisons.

    Means of k_a and k_b runs differ by N(0, sd^2 (1/k_a + 1/k_b)); the gap equals 1.96 of its standard deviations at this
    sd.

    Args:
        gap: Difference of the means.
        runs: Runs of both arms.
    """
    return abs(gap) / (1.959963984540054 * math.sqrt(1 / runs[0] + 1 / runs[1]))
