"""Two one-sided tests: is the difference within the smallest effect of interest? (Schuirmann 1987)"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats.checks import checked_resampling, paired_arrays, seeds_by_crystals
from crysmm_attn_plugin.stats.clusters import members_of
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.engine import Spread

#: Below this many crystals (or clusters) no equivalence is claimed: where changes are skewed no bound holds its level there
#: (one-sided errors of .09 at 10 for .05), and so few values cannot show that they are not.
EQUIVALENCE_FROM = 20


def tost(
    a: ArrayLike,
    b: ArrayLike,
    low: float,
    high: float,
    *,
    clusters: ArrayLike | None = None,
    paired_seeds: bool = False,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """The larger of the two one-sided p-values of mean(a) - mean(b) against (low, high).

    From ``EQUIVALENCE_FROM`` crystals on, or with several runs in both arms, the bounds are those of the comparison's own
    interval, which follows skewness. With one run and fewer crystals p is that of Schuirmann's t tests, as published;
    reports claim no equivalence there.

    Args:
        a, b: (N,) or (k, N) values; NaN columns are left out.
        low, high: Bounds of what is too small to matter, in the values' unit.
        clusters: (N,) labels of crystals that belong together.
        paired_seeds: Seed j of one arm belongs to seed j of the other.
        n_resamples, seed: Of the bootstrap.

    Raises:
        StatisticsError: When low is not below high, or as ``compare_paired``.
    """
    if not low < high:
        raise StatisticsError(f"the equivalence bounds must be low < high, got {low:g} and {high:g}.")
    n_resamples, seed, _ = checked_resampling(n_resamples, seed, 0.05)
    first, second = np.atleast_2d(np.asarray(a, float)), np.atleast_2d(np.asarray(b, float))
    if first.shape[1:] != second.shape[1:]:
        paired_arrays(first, second)  # says what is wrong
    keep = np.isfinite(first).all(0) & np.isfinite(second).all(0)
    first, second = seeds_by_crystals(first[:, keep], "a"), seeds_by_crystals(second[:, keep], "b")
    members = None if clusters is None else members_of(np.asarray(clusters)[keep], int(keep.sum()))
    contrast = Contrast(first, second, members=members, paired_seeds=paired_seeds)
    if contrast.runs is None and contrast.units < EQUIVALENCE_FROM:
        spread = contrast.spread()
        return Spread(spread.estimate, spread.crystals, spread.units).p_equivalence(low, high)
    resample([contrast], n_resamples=n_resamples, seed=seed)
    return contrast.spread().p_equivalence(low, high)


def claims_equivalence(spread: Spread) -> bool:
    """Whether a report may call this difference equivalent if its p says so."""
    return spread.units >= EQUIVALENCE_FROM
