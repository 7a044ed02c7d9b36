"""The second axis: mean absolute error of both arms on the same crystals."""

from __future__ import annotations

import math

import numpy as np

from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.results import PerformanceResult


def break_even_seed_sd(gap: float) -> float:
    """Seed SD of MAE at which a gap between two single runs is at the edge of seed noise.

    Two runs differ by N(0, 2 sd^2); the gap equals 1.96 standard deviations of that at this sd.

    Args:
        gap: |MAE_a - MAE_b|, in the target's unit.
    """
    return abs(gap) / (1.959963984540054 * math.sqrt(2.0))


def compare_errors(
    predictions_arm: np.ndarray,
    predictions_baseline: np.ndarray,
    targets: np.ndarray,
    *,
    n_resamples: int,
    seed: int,
    alpha: float,
) -> PerformanceResult:
    """Paired comparison of absolute errors.

    Args:
        predictions_arm, predictions_baseline: (k, N) raw predictions.
        targets: (N,) targets, same unit.
        n_resamples, seed, alpha: As in ``compare_paired``.

    Returns:
        Axis ``unknown`` when fewer than 10 crystals have a target and every prediction.
    """
    known = (
        np.isfinite(targets) & np.isfinite(predictions_arm).all(0) & np.isfinite(predictions_baseline).all(0)
    )
    n = int(known.sum())
    error_arm = np.abs(predictions_arm[:, known] - targets[known])
    error_base = np.abs(predictions_baseline[:, known] - targets[known])
    if n == 0:
        return PerformanceResult(
            "unknown", 0, None, None, None, None, None, None, None, None, None, None, None, None
        )
    mae_arm, mae_base = float(error_arm.mean()), float(error_base.mean())
    difference = mae_arm - mae_base
    gain = -100 * difference / mae_base if mae_base else None
    other = -100 * difference / mae_arm if mae_arm else None
    sd = break_even_seed_sd(difference) if max(len(error_arm), len(error_base)) == 1 else None
    percent = 100 * sd / mae_arm if sd is not None and mae_arm else None
    per_seed = (tuple(error_arm.mean(1).tolist()), tuple(error_base.mean(1).tolist()))
    if n < 10:
        return PerformanceResult(
            "unknown", n, mae_arm, mae_base, difference, None, None, None, gain, None, None, other, sd, percent,
            *per_seed,
        )  # fmt: skip
    paired = compare_paired(error_arm, error_base, n_resamples=n_resamples, seed=seed, alpha=alpha)
    # a skewed difference can have a small p and an interval that holds 0: then no side is taken
    if paired.p_value < alpha and not paired.ci_low <= 0 <= paired.ci_high:
        axis = "better" if difference < 0 else "worse"
    else:
        axis = "indistinguishable"
    return PerformanceResult(
        axis,  # type: ignore[arg-type]
        n, mae_arm, mae_base, difference, paired.ci_low, paired.ci_high, paired.p_value,
        gain, _negated(paired.percent_ci_high), _negated(paired.percent_ci_low), other, sd, percent,
        *per_seed, paired.claim,
    )  # fmt: skip


def _negated(value: float) -> float | None:
    return None if math.isnan(value) else -value
