"""Several metrics at once: step-down max-T by joint sign flips, Holm, Benjamini-Hochberg.

Sources: Westfall and Young (1993), algorithm 4.1 with sign flips; Holm (1979); Benjamini and Hochberg (1995). The last two
are written out because statsmodels' ``multipletests`` collects garbage at each call, 0.1 s a family.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats.signflip import joint_flips


def max_t_step_down(
    differences: ArrayLike, *, n_resamples: int = 10_000, seed: int = 0, chunk: int | None = None
) -> np.ndarray:
    """Adjusted two-sided p-values that control the family-wise error and use the metrics' correlation.

    One assignment of signs flips all metrics of a crystal together. With several seeds an arm such flips would take
    run effects for noise of the crystals: adjust the two-way p-values with ``holm`` there.

    Args:
        differences: (N, M), one column a metric, the same crystals in every row.
        n_resamples: Sampled flips when N is above 20.
        seed: Seed of the flips.
        chunk: Flips held at once; the result does not depend on it.

    Returns:
        (M,) adjusted p; 1 for a column of zeros.

    Raises:
        StatisticsError: When a difference is not finite or the shape is another.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 2 or 0 in differences.shape or not np.isfinite(differences).all():
        bad = int((~np.isfinite(differences)).sum())
        raise StatisticsError(
            f"max-T needs finite differences (crystals, metrics); got shape {differences.shape} with {bad} not finite."
        )
    _, adjusted = joint_flips(
        differences, [range(differences.shape[1])], n_resamples=n_resamples, seed=seed, chunk=chunk
    )
    return adjusted[0]


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's step-down adjusted p-values: family-wise error under any dependence.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values (false discovery rate).

    Examples:
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.04, 0.04]
    """
    p = _probabilities(p_values)
    order = np.argsort(-p, kind="stable")
    scaled = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1)
    return adjusted


def _probabilities(p_values: ArrayLike) -> np.ndarray:
    p = np.asarray(p_values, dtype=float).ravel()
    bad = int((~((p >= 0) & (p <= 1))).sum())
    if bad:
        raise StatisticsError(f"{bad} of {len(p)} p-values are not between 0 and 1.")
    return p
