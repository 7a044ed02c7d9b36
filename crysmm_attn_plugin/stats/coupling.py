"""Does a crystal's change in attention go with its change in error? Never the raw correlation alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crysmm_attn_plugin.stats.association import robust_regression, spearman_with_interval
from crysmm_attn_plugin.stats.checks import paired_differences
from crysmm_attn_plugin.stats.effects import spread
from crysmm_attn_plugin.stats.reliability import seed_reliability
from crysmm_attn_plugin.stats.results import CouplingResult


def couple(
    metric: str,
    values_arm: np.ndarray,
    values_baseline: np.ndarray,
    errors_arm: np.ndarray,
    errors_baseline: np.ndarray,
    crystals: pd.DataFrame,
    *,
    n_resamples: int,
    seed: int,
    alpha: float,
) -> CouplingResult | None:
    """Spearman of (change in metric, change in |error|) and the regression that adjusts for confounders.

    The regression is |e_arm| on |e_baseline|, the metric in both arms, ln(tokens) and ln(atoms), HC3 errors; the
    reported coefficient is that of the arm's metric, standardised metric, error in the target's unit.

    Args:
        metric: Name, carried through.
        values_arm, values_baseline: (k, N) metric values.
        errors_arm, errors_baseline: (k, N) absolute errors.
        crystals: N rows with n_tokens and n_atoms.
        n_resamples, seed, alpha: Resampling and level.

    Returns:
        None with fewer than 20 complete crystals or a constant change (nothing to correlate). Without coefficient where
        the regressors are collinear.
    """
    m_a, m_b = values_arm.mean(0), values_baseline.mean(0)
    e_a, e_b = errors_arm.mean(0), errors_baseline.mean(0)
    known = np.isfinite(m_a) & np.isfinite(m_b) & np.isfinite(e_a) & np.isfinite(e_b)
    m_a, m_b, e_a, e_b = (x[known] for x in (m_a, m_b, e_a, e_b))
    frame = crystals[known]
    if (
        len(m_a) < 20
        or not _varies(paired_differences(m_a, m_b))
        or not _varies(paired_differences(e_a, e_b))
    ):
        return None
    rho, low, high, p = spearman_with_interval(
        m_a - m_b, e_a - e_b, n_resamples=n_resamples, seed=seed, alpha=alpha
    )
    design = {
        "error_baseline": e_b,
        "metric_arm": _standardised(m_a),
        "metric_baseline": _standardised(m_b),
        "ln_tokens": np.log(np.maximum(frame["n_tokens"].to_numpy(float), 1)),
        "ln_atoms": np.log(np.maximum(frame["n_atoms"].to_numpy(float), 1)),
    }
    design = {k: v for k, v in design.items() if np.isfinite(v).all() and _varies(v)}
    columns = np.column_stack(list(design.values()))
    fit = robust_regression(e_a, columns, list(design), alpha=alpha)
    # two arms that move in step leave the coefficient open; stored values carry six to seven digits
    singular = np.linalg.svd(np.column_stack([_standardised(c) for c in columns.T]), compute_uv=False)
    determined = bool(singular[-1] > 1e-5 * singular[0])
    reliability = seed_reliability(values_arm[:, known], values_baseline[:, known])
    reliability_error = seed_reliability(errors_arm[:, known], errors_baseline[:, known])
    ceiling = None
    if reliability is not None and reliability_error is not None:
        ceiling = float(np.sqrt(max(reliability, 0) * max(reliability_error, 0)))
    slope = fit.coefficients.get("metric_arm") if determined else None
    co_varied = bool(p < alpha and slope is not None and slope.p_value < alpha)
    return CouplingResult(
        metric, len(m_a), rho, low, high, p,
        slope.estimate if slope else None,
        slope.se if slope else None,
        slope.p_value if slope else None,
        slope.ci_low if slope else None,
        slope.ci_high if slope else None,
        fit.r_squared, reliability, ceiling, co_varied,
    )  # fmt: skip


def _varies(values: np.ndarray) -> bool:
    """Whether values differ by more than their rounding."""
    return spread(values) > 0


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std(ddof=1)
    return (values - values.mean()) / spread if spread > 0 else values * 0.0
