"""The package's methods applied to many replicates at once; ``agrees_with_package`` holds them to the package."""

from __future__ import annotations

import numpy as np
from scipy import stats

from crysmm_attn_plugin.stats import compare_paired
from crysmm_attn_plugin.stats.intervals import resample_counts
from crysmm_attn_plugin.stats.signflip import EXACT_UP_TO, exact_p, flipped_sums

#: Replicates worked on together.
BLOCK = 1000


def sign_flip_p(differences: np.ndarray, n_resamples: int, seed: int = 0) -> np.ndarray:
    """(replicates,) two-sided sign-flip p of (replicates, n) differences, replicates as columns of one product."""
    if differences.shape[1] <= EXACT_UP_TO:
        return np.array([exact_p(d) for d in differences])
    out = []
    for start in range(0, len(differences), BLOCK):
        part = differences[start : start + BLOCK]
        threshold = np.abs(part.sum(1)) - 1e-10 * np.abs(part).sum(1)
        hits, total = np.zeros(len(part)), 0
        for sums in flipped_sums(np.ascontiguousarray(part.T), n_resamples=n_resamples, seed=seed):
            hits += (np.abs(sums) >= threshold).sum(0)
            total += len(sums)
        out.append((hits + 1) / (total + 1))
    return np.concatenate(out)


def bootstrap_t_ends(
    differences: np.ndarray, n_resamples: int, alpha: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(replicates,) ends of the bootstrap-t interval of the mean."""
    n = differences.shape[1]
    counts = resample_counts(n, n_resamples, seed)
    lows, highs = [], []
    for start in range(0, len(differences), BLOCK):
        part = differences[start : start + BLOCK]
        mean, sd = part.mean(1), part.std(1, ddof=1)
        centred = (part - mean[:, None]).T
        means = counts @ centred.astype(np.float32) / n
        squares = counts @ (centred**2).astype(np.float32) / n
        variances = np.maximum(squares - means**2, 1e-12 * sd**2) * n / (n - 1)
        t = means / np.sqrt(variances / n)
        low, high = np.quantile(t, [alpha / 2, 1 - alpha / 2], axis=0)
        se = sd / np.sqrt(n)
        student = stats.t.ppf(1 - alpha / 2, n - 1)
        lows.append(mean - np.maximum(high, student) * se)
        highs.append(mean - np.minimum(low, -student) * se)
    return np.concatenate(lows), np.concatenate(highs)


def two_way(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(replicates,) mean difference, crossed variance, degrees of freedom and crystal part of (replicates, k, n)."""
    n = a.shape[2]
    item = (a.mean(1) - b.mean(1)).var(1, ddof=1) / n
    runs = overlap = bottom = np.zeros(len(a))
    for arm in (a, b):
        k = arm.shape[1]
        rows, columns = arm.mean(2), arm.mean(1)
        part = rows.var(1, ddof=1) / k
        runs = runs + part
        bottom = bottom + part**2 / (k - 1)
        # sum of squares of the residual = total - rows - columns + grand
        squares = np.einsum("rkn,rkn->r", arm, arm) - n * (rows**2).sum(1)
        squares += n * k * rows.mean(1) ** 2 - k * (columns**2).sum(1)
        overlap = overlap + squares / ((k - 1) * (n - 1)) / (n * k)
    variance = np.maximum(np.maximum(item + runs - overlap, item), runs)
    df = variance**2 / (bottom + item**2 / (n - 1))
    return a.mean((1, 2)) - b.mean((1, 2)), variance, df, item


def two_way_ends(
    a: np.ndarray, b: np.ndarray, n_resamples: int, alpha: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """(replicates,) ends of the skew-adjusted two-way interval."""
    n = a.shape[2]
    mean, variance, df, item = two_way(a, b)
    quantile = 1 - alpha / 2
    extra = np.maximum(
        stats.t.ppf(quantile, df) ** 2 * variance - stats.t.ppf(quantile, n - 1) ** 2 * item, 0
    )
    low, high = bootstrap_t_ends(a.mean(1) - b.mean(1), n_resamples, alpha)
    return mean - np.sqrt((mean - low) ** 2 + extra), mean + np.sqrt((high - mean) ** 2 + extra)


def two_way_p(mean: np.ndarray, variance: np.ndarray, df: np.ndarray) -> np.ndarray:
    """(replicates,) two-sided p."""
    return 2 * stats.t.sf(np.abs(mean) / np.sqrt(variance), df)


def agrees_with_package(a: np.ndarray, b: np.ndarray, p: np.ndarray, low: np.ndarray, high: np.ndarray,
                        n_resamples: int) -> float:  # fmt: skip
    """Largest disagreement (in p, or in the interval's ends relative to its width) with ``compare_paired``.

    Args:
        a, b: (replicates, k, n) values of a few replicates.
        p, low, high: What the batched methods said of them.
    """
    worst = 0.0
    for i in range(len(a)):
        found = compare_paired(a[i], b[i], n_resamples=n_resamples, seed=0)
        width = found.ci_high - found.ci_low
        worst = max(
            worst,
            abs(found.p_value - p[i]),
            abs(found.ci_low - low[i]) / width,
            abs(found.ci_high - high[i]) / width,
        )
    return worst
