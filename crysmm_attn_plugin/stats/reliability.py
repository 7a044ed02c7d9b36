"""How reproducible a crystal's change is across training seeds: the ceiling of any correlation with it."""

from __future__ import annotations

import numpy as np

from crysmm_attn_plugin.stats.engine import residual_variance


def seed_reliability(a: np.ndarray, b: np.ndarray) -> float | None:
    """Reliability of the seed-averaged change a - b over crystals, between 0 and 1.

    One minus the share of its variance that seeds explain (Spearman-Brown for the mean of k seeds).

    Args:
        a, b: (k, N) values.

    Returns:
        None with a single seed in either arm, or no variation between crystals.
    """
    if min(len(a), len(b)) < 2:
        return None
    total = float((a.mean(0) - b.mean(0)).var(ddof=1))
    if total == 0:
        return None
    noise = residual_variance(a) / len(a) + residual_variance(b) / len(b)
    return float(np.clip(1 - noise / total, 0.0, 1.0))
