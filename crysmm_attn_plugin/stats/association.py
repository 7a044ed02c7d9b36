"""Association over crystals: Spearman with a BCa interval and permutation p; regression with robust errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from crysmm_attn_plugin.stats.bootstrap import BOOTSTRAP_UP_TO, bca

#: Values ranked at once while resampling.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Coefficient:
    """One regression coefficient with its heteroscedasticity-consistent (HC3) error."""

    estimate: float
    se: float
    p_value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Regression:
    """Coefficients by name, share of variance, number of crystals."""

    coefficients: Mapping[str, Coefficient]
    r_squared: float
    n: int


def spearman_with_interval(
    x: np.ndarray, y: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0, alpha: float = 0.05
) -> tuple[float, float, float, float]:
    """Spearman's rho, BCa interval, two-sided permutation p.

    Args:
        x, y: (N,) values.
        n_resamples: Permutations; at most 2,000 of them are also used as bootstrap resamples, which re-rank.
        seed, alpha: Seed and 1 - confidence.

    Returns:
        rho, low, high, p. Above ``BOOTSTRAP_UP_TO`` crystals the interval is Fisher's with the variance of Bonett and
        Wright (2000) and p that of Student's t with N - 2 degrees of freedom, which permutations reproduce there.
    """
    n = len(x)
    rank_x, rank_y = _standard_ranks(x[None])[0], _standard_ranks(y[None])[0]
    rho = float(rank_x @ rank_y)
    if n > BOOTSTRAP_UP_TO:
        z = np.arctanh(np.clip(rho, -0.999999, 0.999999))
        half = stats.norm.ppf(1 - alpha / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
        t = rho * np.sqrt((n - 2) / max(1 - rho**2, 1e-300))
        p = float(2 * stats.t.sf(abs(t), n - 2))
        return rho, float(np.tanh(z - half)), float(np.tanh(z + half)), p
    rng = np.random.default_rng(seed)
    extreme = 0
    done = 0
    while done < n_resamples:
        rows = min(max(1, _BLOCK // n), n_resamples - done)
        shuffled = rng.permuted(np.broadcast_to(rank_y, (rows, n)), axis=1)
        extreme += int((np.abs(shuffled @ rank_x) >= abs(rho) - 1e-12).sum())
        done += rows
    p = (extreme + 1) / (n_resamples + 1)
    drawn: list[np.ndarray] = []
    wanted = min(n_resamples, 2000)
    block = max(1, _BLOCK // n)
    for start in range(0, wanted, block):
        rows = min(block, wanted - start)
        index = rng.integers(0, n, (rows, n))
        drawn.append((_standard_ranks(x[index]) * _standard_ranks(y[index])).sum(1))
    keep = ~np.eye(n, dtype=bool)
    index = np.broadcast_to(np.arange(n), (n, n))[keep].reshape(n, n - 1)
    jackknife = (_standard_ranks(x[index]) * _standard_ranks(y[index])).sum(1)
    low, high = bca(rho, np.concatenate(drawn), jackknife, alpha)
    return rho, low, high, p


def robust_regression(
    y: np.ndarray, design: np.ndarray, names: Sequence[str], *, alpha: float = 0.05
) -> Regression:
    """Ordinary least squares with an intercept and HC3 standard errors (MacKinnon and White 1985).

    Args:
        y: (N,) response.
        design: (N, p) regressors.
        names: p names.
        alpha: 1 - confidence of the intervals.
    """
    x = np.column_stack([np.ones(len(y)), design])
    inverse = np.linalg.pinv(x)
    estimates = inverse @ y
    residuals = y - x @ estimates
    left = len(y) - int(np.linalg.matrix_rank(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        # HC3: each residual over one minus its leverage, as the leave-one-out residual is
        scale = (residuals / (1 - np.einsum("ij,ji->i", x, inverse))) ** 2
        errors = np.sqrt(np.diag((inverse * scale) @ inverse.T))
        p_values = 2 * stats.t.sf(np.abs(estimates / errors), left)
        explained = 1 - residuals @ residuals / ((y - y.mean()) ** 2).sum()
    reach = stats.t.ppf(1 - alpha / 2, left) * errors
    coefficients = {
        name: Coefficient(
            *(float(v[i]) for v in (estimates, errors, p_values, estimates - reach, estimates + reach))
        )
        for i, name in enumerate(["intercept", *names])
    }
    return Regression(coefficients, float(explained), len(y))


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of each row, centred and scaled to unit length, so that a dot product is Spearman's rho."""
    ranks = stats.rankdata(values, axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    length = np.sqrt((centred**2).sum(1, keepdims=True))
    return np.asarray(centred / np.where(length > 0, length, 1))
