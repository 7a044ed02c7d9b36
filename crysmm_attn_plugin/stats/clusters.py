"""Sensitivity to crystals that belong together (same composition): flips and standard errors by cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.stats.checks import seeds_by_crystals
from crysmm_attn_plugin.stats.intervals import t_interval
from crysmm_attn_plugin.stats.signflip import sign_flip

#: With fewer clusters no test by cluster is made.
FEWEST_CLUSTERS = 5


@dataclass(frozen=True)
class ClusterResult:
    """Two-sided p by joint flips of whole clusters and a cluster-robust t interval of the mean.

    Attributes:
        variance: CR1 variance of the mean, with ``n_clusters`` - 1 degrees of freedom.
    """

    p_value: float
    ci_low: float
    ci_high: float
    n_clusters: int
    variance: float = float("nan")


def cluster_sensitivity(
    differences: np.ndarray,
    labels: np.ndarray,
    *,
    n_resamples: int = 10_000,
    seed: int = 0,
    alpha: float = 0.05,
) -> ClusterResult | None:
    """Test and interval with clusters as units.

    Args:
        differences: (N,) paired differences.
        labels: (N,) cluster of each crystal.
        n_resamples, seed, alpha: As in ``compare_paired``.

    Returns:
        None with fewer than ``FEWEST_CLUSTERS``. The interval uses the CR1 variance with G - 1 degrees of freedom
        (Cameron and Miller 2015).
    """
    _, members = np.unique(np.asarray(labels), return_inverse=True)
    differences = seeds_by_crystals(differences, "the differences")[0]
    sums = np.bincount(members, weights=differences)
    groups = len(sums)
    if groups < FEWEST_CLUSTERS:
        return None
    n = len(differences)
    mean = float(differences.mean())
    scores = np.bincount(members, weights=differences - mean)
    variance = float((scores**2).sum()) / n**2 * groups / (groups - 1)
    low, high = t_interval(mean, variance, groups - 1, alpha)
    return ClusterResult(sign_flip(sums, n_resamples=n_resamples, seed=seed), low, high, groups, variance)
