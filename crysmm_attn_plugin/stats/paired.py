"""The paired comparison of one metric between two arms: test, interval, effect sizes, and what may be claimed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats import effects
from crysmm_attn_plugin.stats.checks import WARN_N, paired_arrays, paired_differences
from crysmm_attn_plugin.stats.clusters import FEWEST_CLUSTERS, ClusterResult, cluster_sensitivity
from crysmm_attn_plugin.stats.crossed import VarianceParts, crossed_variance
from crysmm_attn_plugin.stats.intervals import bootstrap_t, ratio_interval, t_interval, widened
from crysmm_attn_plugin.stats.results import Claim, PairedResult
from crysmm_attn_plugin.stats.signflip import EXACT_UP_TO, sign_flip


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    alpha: float = 0.05,
    confidence: float | None = None,
    paired_seeds: bool = False,
) -> PairedResult:
    """Compare arm ``a`` with arm ``b`` over the same crystals.

    With one run each: sign-flip test (exact up to 20 crystals) and bootstrap-t interval of the mean difference. With
    several seeds: t test with the crossed crystals x seeds variance; its interval takes the part that is due to
    crystals from bootstrap-t, so that skewed changes keep their skewed interval. With ``clusters``: flips and standard
    errors by cluster.

    Args:
        a, b: (N,) or (k, N) values, seeds x crystals; k may differ between arms.
        clusters: (N,) labels of crystals that belong together. With several seeds the cluster variance takes the
            place of s_D^2/N.
        n_resamples: Sign flips and bootstrap resamples.
        seed: Seed of both.
        alpha: Level; the intervals' confidence is 1 - alpha.
        confidence: Confidence of the intervals, in place of 1 - alpha.
        paired_seeds: Seed j of one arm belongs to seed j of the other.

    Returns:
        ``PairedResult``; differences are a - b, percent changes divide by mean(b).

    Raises:
        StatisticsError: On fewer than 10 crystals, unequal numbers of crystals, values that are not finite, or
            clusters that do not fit.
    """
    first, second = paired_arrays(a, b)
    alpha = 1 - confidence if confidence is not None else alpha
    if not 0 < alpha < 1:
        raise StatisticsError(f"the confidence of an interval must lie between 0 and 1, got {1 - alpha:g}.")
    n = first.shape[1]
    mean_a, mean_b = first.mean(0), second.mean(0)
    differences = paired_differences(mean_a, mean_b)
    single = max(len(first), len(second)) == 1
    mean, sd = float(differences.mean()), effects.spread(differences)
    variance, df, parts = crossed_variance(first, second, paired_seeds=paired_seeds)
    warnings = []
    if n < WARN_N:
        warnings.append(
            f"{n} crystals are fewer than {WARN_N}; the interval is wide and small effects go unseen"
        )
    if parts.borrowed:
        warnings.append(
            "one arm has a single seed: its variation between runs is taken to be that of the other arm, and the claim "
            "stays with these checkpoints"
        )
    if sd == 0:
        test, interval = "exact sign-flip" if n <= EXACT_UP_TO else "sign-flip", "none (no variation)"
        p = sign_flip(differences, n_resamples=n_resamples, seed=seed)
        low = high = mean
        warnings.append("every crystal has the same difference; there is no variation to put an interval on")
    if clusters is not None:
        labels = np.asarray(clusters)
        if labels.shape != (n,):
            raise StatisticsError(
                f"clusters must have one label for each of the {n} crystals, got {labels.shape}."
            )
        found = cluster_sensitivity(differences, labels, n_resamples=n_resamples, seed=seed, alpha=alpha)
        if found is None:
            raise StatisticsError(
                f"{len(np.unique(labels))} clusters are too few; at least {FEWEST_CLUSTERS} are needed."
            )
        if single:
            p, low, high, df = found.p_value, found.ci_low, found.ci_high, float(found.n_clusters - 1)
            test, interval = "sign-flip by cluster", "cluster-robust t"
        else:
            variance, df = _with_clusters(variance, df, parts, found, n)
            p = _two_sided(mean, variance, df)
            low, high = t_interval(mean, variance, df, alpha)
            test, interval = "two-way t (clusters x seeds)", "two-way cluster-robust t"
    elif sd == 0 and (single or variance == 0):
        pass
    elif single:
        p = sign_flip(differences, n_resamples=n_resamples, seed=seed)
        low, high, interval = bootstrap_t(differences, alpha=alpha, n_resamples=n_resamples, seed=seed)
        test = "exact sign-flip" if n <= EXACT_UP_TO else "sign-flip"
    else:
        p = _two_sided(mean, variance, df)
        low, high, _ = bootstrap_t(differences, alpha=alpha, n_resamples=n_resamples, seed=seed)
        low, high = widened(mean, low, high, _beyond_crystals(variance, df, parts, n, alpha))
        test, interval = "two-way t (crystals x seeds)", "two-way t, skew-adjusted"
    t, p_t = _t_test(mean, sd, n)
    w, p_wilcoxon = _wilcoxon(differences)
    hl, hl_low, hl_high = effects.hodges_lehmann(differences, alpha)
    if not single:
        hl_low, hl_high = widened(hl, hl_low, hl_high, _beyond_crystals(variance, df, parts, n, alpha))
    percent, percent_low, percent_high = _percent(
        first, second, None if single else (low, high), alpha=alpha, n_resamples=n_resamples, seed=seed
    )
    return PairedResult(
        n=n,
        mean_difference=mean,
        ci_low=low,
        ci_high=high,
        p_value=p,
        g_z=effects.g_z(differences),
        d_av=effects.d_av(mean_a, mean_b),
        rank_biserial=effects.rank_biserial(differences),
        hodges_lehmann=hl,
        prob_superiority=effects.prob_superiority(differences),
        df=df,
        claim=claim_of(min(len(first), len(second))),
        mean_a=float(mean_a.mean()),
        mean_b=float(mean_b.mean()),
        sd_a=float(mean_a.std(ddof=1)),
        sd_b=float(mean_b.std(ddof=1)),
        sd_difference=sd,
        median_difference=float(np.median(differences)),
        hl_ci_low=hl_low,
        hl_ci_high=hl_high,
        percent_change=percent,
        percent_ci_low=percent_low,
        percent_ci_high=percent_high,
        t_statistic=t,
        p_t=p_t,
        w_statistic=w,
        p_wilcoxon=p_wilcoxon,
        n_seeds_a=len(first),
        n_seeds_b=len(second),
        confidence=1 - alpha,
        n_resamples=n_resamples,
        seed=seed,
        test=test,
        interval=interval,
        warnings=tuple(warnings),
    )


def claim_of(seeds: int) -> Claim:
    """What a sentence may claim with this many seeds in the arm that has fewer."""
    if seeds < 2:
        return "checkpoints"
    return "preliminary" if seeds < 4 else "architecture"


def _two_sided(mean: float, variance: float, df: float) -> float:
    if variance == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(variance), df))


def _beyond_crystals(variance: float, df: float, parts: VarianceParts, n: int, alpha: float) -> float:
    """Squared half-width that the two-way t interval has beyond the t interval over crystals alone."""
    quantile = 1 - alpha / 2
    both = float(stats.t.ppf(quantile, df)) ** 2 * variance
    return max(both - float(stats.t.ppf(quantile, n - 1)) ** 2 * parts.crystals, 0.0)


def _with_clusters(
    variance: float, df: float, parts: VarianceParts, found: ClusterResult, n: int
) -> tuple[float, float]:
    """Crossed variance with the clusters' variance in place of the crystals', never below either part."""
    # what Satterthwaite's denominator holds for the runs
    run_bottom = max(variance**2 / df - parts.crystals**2 / (n - 1), 0.0)
    total = max(found.variance + parts.runs - parts.overlap, found.variance, parts.runs)
    bottom = run_bottom + found.variance**2 / (found.n_clusters - 1)
    return total, total**2 / bottom if bottom > 0 else float(found.n_clusters - 1)


def _t_test(mean: float, sd: float, n: int) -> tuple[float, float]:
    if sd == 0:
        return (0.0, 1.0) if mean == 0 else (float("nan"), float("nan"))
    t = mean / (sd / np.sqrt(n))
    return float(t), float(2 * stats.t.sf(abs(t), n - 1))


def _wilcoxon(differences: np.ndarray) -> tuple[float, float]:
    if not differences.any():
        return 0.0, 1.0
    found = stats.wilcoxon(differences)
    return float(found.statistic), float(found.pvalue)


def _percent(
    a: np.ndarray,
    b: np.ndarray,
    interval: tuple[float, float] | None,
    *,
    alpha: float,
    n_resamples: int,
    seed: int,
) -> tuple[float, float, float]:
    """100 (mean(a)/mean(b) - 1) with its interval.

    BCa for one run each. With several runs the baseline's mean is itself so uncertain that an interval of the ratio
    may leave out 0 where that of the difference holds it: the difference's ``interval`` is then given in percent of
    the observed mean of b, so that both say the same.
    """
    bottom = float(b.mean())
    if bottom == 0:
        return (float("nan"),) * 3
    ratio = float(a.mean()) / bottom
    if interval is None:
        low, high = ratio_interval(a[0], b[0], alpha=alpha, n_resamples=n_resamples, seed=seed)
    else:
        low, high = 1 + interval[0] / bottom, 1 + interval[1] / bottom
    # a negative denominator turns the ratio around; report change relative to its size
    sign = np.sign(bottom)
    values = sorted([100 * sign * (low - 1), 100 * sign * (high - 1)])
    return float(100 * sign * (ratio - 1)), float(values[0]), float(values[1])
