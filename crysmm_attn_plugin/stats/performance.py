"""The second axis: mean absolute error of both arms on the same crystals."""

from __future__ import annotations

import math

import numpy as np

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.metric_results import disagreement_of
from crysmm_attn_plugin.stats.paired import analyse
from crysmm_attn_plugin.stats.results import PerformanceAxis, PerformanceResult
from crysmm_attn_plugin.stats.runs import break_even_run_sd


def break_even_seed_sd(gap: float, runs: tuple[int, int] = (1, 1)) -> float:
    """Seed SD of MAE at which a gap between these runs is at the edge of seed noise; see ``runs.break_even_run_sd``."""
    return break_even_run_sd(gap, runs)


def compare_errors(
    predictions_arm: np.ndarray,
    predictions_baseline: np.ndarray,
    targets: np.ndarray,
    *,
    n_resamples: int,
    seed: int,
    alpha: float,
    members: np.ndarray | None = None,
    paired_seeds: bool = False,
) -> PerformanceResult:
    """Paired comparison of absolute errors.

    Args:
        predictions_arm, predictions_baseline: (k, N) raw predictions.
        targets: (N,) targets, same unit.
        n_resamples, seed, alpha, paired_seeds: As in ``compare_paired``.
        members: (N,) cluster index of each crystal where compositions repeat.

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
    runs = (len(error_arm), len(error_base))
    sd = break_even_seed_sd(difference, runs) if min(runs) == 1 else None
    percent = 100 * sd / mae_arm if sd is not None and mae_arm else None
    per_seed = (tuple(error_arm.mean(1).tolist()), tuple(error_base.mean(1).tolist()))
    if n < SMALLEST_N:
        return PerformanceResult(
            "unknown", n, mae_arm, mae_base, difference, None, None, None, gain, None, None, other, sd, percent,
            *per_seed,
        )  # fmt: skip
    groups = None if members is None else np.unique(members[known], return_inverse=True)[1]
    by_cluster = groups is not None and int(groups.max()) + 1 < n
    found, _ = analyse(
        [(error_arm, error_base)],
        members=groups if by_cluster else None,
        by_cluster=by_cluster,
        n_resamples=n_resamples,
        seed=seed,
        alpha=alpha,
        paired_seeds=paired_seeds,
    )
    paired = found[0].paired
    # a skewed difference can have a small p and an interval that holds 0: then no side is taken
    disagreement = disagreement_of(paired.p_value, paired.ci_low, paired.ci_high, alpha)
    axis: PerformanceAxis = "indistinguishable"
    if paired.p_value < alpha and not disagreement:
        axis = "better" if difference < 0 else "worse"
    return PerformanceResult(
        axis, n, mae_arm, mae_base, difference, paired.ci_low, paired.ci_high, paired.p_value,
        gain, _negated(paired.percent_ci_high), _negated(paired.percent_ci_low), other, sd, percent,
        *per_seed, paired.claim, disagreement, "clusters" if by_cluster else "crystals",
        _known(paired.seed_p), _known(paired.seed_p_smallest), _known(paired.prediction_low),
        _known(paired.prediction_high),
    )  # fmt: skip


def _negated(value: float) -> float | None:
    return None if math.isnan(value) else -value


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
