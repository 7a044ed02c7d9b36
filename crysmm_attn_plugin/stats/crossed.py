"""Several training seeds per arm: crystals crossed with seeds, seeds nested in arms.

V = s_D^2/N + sum_a s_run,a^2/k_a - sum_a s_e,a^2/(N k_a), never below the larger of its crystal part and its run part;
degrees of freedom after Satterthwaite. The middle term carries the variation between training runs that an interval
over crystals alone leaves out; the last takes off what both parts count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.errors import StatisticsError


@dataclass(frozen=True)
class VarianceParts:
    """Parts of the variance of a mean difference.

    Attributes:
        crystals: s_D^2 / N.
        runs: Sum of s_run^2 / k over arms; 0 with one seed in both.
        overlap: Sum of s_e^2 / (N k).
        borrowed: An arm with a single seed was given the other arm's run variance.
    """

    crystals: float
    runs: float
    overlap: float
    borrowed: bool = False


def crossed_variance(
    a: np.ndarray, b: np.ndarray, *, paired_seeds: bool = False
) -> tuple[float, float, VarianceParts]:
    """Variance of mean(a) - mean(b) and its degrees of freedom.

    Args:
        a, b: (k, N) values, seeds x crystals; k may differ unless ``paired_seeds``.
        paired_seeds: Seed j of one arm belongs to seed j of the other (same initial weights and batches).

    Returns:
        Variance, degrees of freedom, and the parts. With one seed each: s_D^2/N and N - 1. An arm with a single seed
        beside an arm with several is given that arm's run variance: its own is not known, and it is not zero.

    Raises:
        StatisticsError: When the crystals differ or are fewer than two, or seeds are paired but their numbers differ.
    """
    if a.shape[1:] != b.shape[1:] or a.shape[1] < 2:
        raise StatisticsError(
            f"arms of {a.shape[1]} and {b.shape[1]} crystals; give the same two or more to both."
        )
    n = a.shape[1]
    differences = a.mean(0) - b.mean(0)
    crystals = float(differences.var(ddof=1)) / n
    if paired_seeds and len(a) != len(b):
        raise StatisticsError(f"paired seeds need equal numbers of runs, got {len(a)} and {len(b)}.")
    arms = [a - b] if paired_seeds else [a, b]
    known = [values for values in arms if len(values) > 1]
    if not known:
        return crystals, float(n - 1), VarianceParts(crystals, 0.0, 0.0)
    borrowed = len(known) < len(arms)
    runs = overlap = bottom = 0.0
    for values in arms:
        source, k = (values if len(values) > 1 else known[0]), len(values)
        part = float(source.mean(1).var(ddof=1)) / k
        runs += part
        bottom += part**2 / (len(source) - 1)
        overlap += residual_variance(source) / (n * k)
    if borrowed:  # one estimate used twice: its error does not average out
        bottom = runs**2 / (len(known[0]) - 1)
    variance = max(crystals + runs - overlap, crystals, runs)
    bottom += crystals**2 / (n - 1)
    df = variance**2 / bottom if bottom > 0 else float(n - 1)
    return variance, df, VarianceParts(crystals, runs, overlap, borrowed)


def residual_variance(values: np.ndarray) -> float:
    """Mean square of what is left of (k, N) values after seed and crystal means."""
    k, n = values.shape
    residual = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()
    return float((residual**2).sum() / ((k - 1) * (n - 1)))
