"""The paired comparison of one metric between two arms: test, interval, effect sizes, and what may be claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats import effects
from crysmm_attn_plugin.stats.bootstrap import BOOTSTRAP_UP_TO
from crysmm_attn_plugin.stats.checks import SMALLEST_N, checked_resampling, paired_arrays, size_warnings
from crysmm_attn_plugin.stats.clusters import members_of
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.engine import Spread, residual_variance
from crysmm_attn_plugin.stats.results import PairedResult
from crysmm_attn_plugin.stats.runs import run_permutation
from crysmm_attn_plugin.stats.signflip import EXACT_UP_TO, joint_flips
from crysmm_attn_plugin.stats.verdict import claim_of

#: Crystals up to which tied signed ranks are counted exactly, as scipy does; beyond, its normal approximation.
EXACT_WITH_TIES = 13


@dataclass(frozen=True)
class Analysis:
    """One comparison: what a reader sees, and the spread that every further question is asked of.

    Attributes:
        units: (units,) sums of the differences by crystal or cluster, whose signs are flipped.
    """

    paired: PairedResult
    spread: Spread
    units: np.ndarray


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

    With one run in an arm the claim is about these checkpoints: sign-flip test (exact up to 20 crystals) and bootstrap-t
    interval of the mean difference. With several runs in both: the two-way interval of ``stats.engine``, and p is the level
    at which it reaches 0. With ``clusters``: flips, resamples and variance by cluster.

    Args:
        a, b: (N,) or (k, N) values, seeds x crystals; k may differ between arms.
        clusters: (N,) labels of crystals that belong together.
        n_resamples: Sign flips and bootstrap resamples.
        seed: Seed of both.
        alpha: Level; the intervals' confidence is 1 - alpha.
        confidence: Confidence of the intervals, in place of 1 - alpha.
        paired_seeds: Seed j of one arm belongs to seed j of the other.

    Returns:
        ``PairedResult``; differences are a - b, percent changes divide by mean(b). Below 10 crystals every number is
        given with a warning and the claim is ``none``.

    Raises:
        StatisticsError: On one crystal, unequal numbers of crystals, values that are not finite, clusters that do not fit,
            or options out of their range.

    Examples:
        Darwin's maize: fifteen pairs of plants, crossed and self-fertilised, differences in eighths of an inch.

        >>> differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
        >>> found = compare_paired(differences, [0] * 15)
        >>> found.test, round(found.p_value, 4), found.claim
        ('exact sign-flip', 0.0527, 'checkpoints')
    """
    level = alpha if confidence is None else 1 - confidence if _is_number(confidence) else confidence
    n_resamples, seed, level = checked_resampling(n_resamples, seed, level)
    first, second = paired_arrays(a, b, smallest=2)
    members = None if clusters is None else members_of(clusters, first.shape[1])
    found, _ = analyse(
        [(first, second)], members=members, by_cluster=clusters is not None, n_resamples=n_resamples, seed=seed,
        alpha=level, paired_seeds=paired_seeds,
    )  # fmt: skip
    return found[0].paired


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def analyse(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    members: np.ndarray | None = None,
    by_cluster: bool = False,
    families: Sequence[Sequence[int]] = (),
    n_resamples: int,
    seed: int,
    alpha: float,
    paired_seeds: bool = False,
) -> tuple[list[Analysis], list[np.ndarray]]:
    """Several metrics of the same crystals and runs: resampled and flipped together.

    Args:
        pairs: (k_a, N) and (k_b, N) values of each metric.
        members: (N,) cluster index, or None.
        by_cluster: Name the methods after clusters, also where each holds one crystal.
        families: Indices of metrics whose p-values are adjusted together by step-down max-T (one run in an arm).
        n_resamples, seed, alpha, paired_seeds: As in ``compare_paired``.

    Returns:
        One analysis a metric, and the adjusted p of every family (empty with several runs: see ``multiplicity.holm``).
    """
    contrasts = [Contrast(a, b, members=members, paired_seeds=paired_seeds) for a, b in pairs]
    resample(contrasts, n_resamples=n_resamples, seed=seed)
    several = contrasts[0].runs is not None
    matrix = np.column_stack([_unit_sums(c) for c in contrasts])
    adjusted: list[np.ndarray] = []
    p_values: np.ndarray | None = None
    if not several:
        p_values, adjusted = joint_flips(matrix, families, n_resamples=n_resamples, seed=seed)
    found = []
    for i, ((a, b), contrast) in enumerate(zip(pairs, contrasts)):
        spread = contrast.spread()
        p = spread.p_value() if p_values is None else float(p_values[i])
        paired = _result(
            a, b, contrast, spread, p, by_cluster=by_cluster, n_resamples=n_resamples, seed=seed, alpha=alpha,
        )  # fmt: skip
        found.append(Analysis(paired, spread, matrix[:, i]))
    return found, adjusted


def _unit_sums(contrast: Contrast) -> np.ndarray:
    if contrast.members is None:
        return contrast.differences
    return np.bincount(contrast.members, weights=contrast.differences)


def _result(
    a: np.ndarray,
    b: np.ndarray,
    contrast: Contrast,
    spread: Spread,
    p: float,
    *,
    by_cluster: bool,
    n_resamples: int,
    seed: int,
    alpha: float,
) -> PairedResult:
    n, d = contrast.n, contrast.differences
    runs = contrast.runs
    low, high = spread.interval(alpha)
    test, interval = _names(contrast, spread, by_cluster)
    hl, hl_low, hl_high = effects.hodges_lehmann(d, alpha)
    sizes = _sizes(a, b, contrast, spread)
    nothing = math.nan
    predicted, permuted = (nothing, nothing), (nothing, nothing)
    if runs is None:
        t, p_t = _t_test(spread.estimate, effects.spread(d), n)
        w, p_wilcoxon = _wilcoxon(d)
    else:
        t, p_t, w, p_wilcoxon = (nothing,) * 4
        extra = spread.beyond_crystals(alpha)
        hl_low, hl_high = hl - float(np.hypot(hl - hl_low, extra)), hl + float(np.hypot(hl_high - hl, extra))
        predicted = spread.interval(alpha, new_run=True)
        permuted = run_permutation(*runs, paired=contrast.paired, n_resamples=n_resamples, seed=seed)
    percent, percent_low, percent_high, undefined = percent_change(contrast, (low, high), b, alpha)
    return PairedResult(
        n=n,
        mean_difference=spread.estimate,
        ci_low=low,
        ci_high=high,
        p_value=p,
        g_z=sizes[0],
        d_av=sizes[1],
        rank_biserial=sizes[2],
        hodges_lehmann=hl,
        prob_superiority=sizes[3],
        df=spread.df,
        claim="none" if n < SMALLEST_N else claim_of(min(len(a), len(b))),
        mean_a=float(contrast.first.mean()),
        mean_b=contrast.mean_b,
        sd_a=float(contrast.first.std(ddof=1)),
        sd_b=float(contrast.second.std(ddof=1)),
        sd_difference=effects.spread(d),
        median_difference=float(np.median(d)),
        hl_ci_low=hl_low,
        hl_ci_high=hl_high,
        percent_change=percent,
        percent_ci_low=percent_low,
        percent_ci_high=percent_high,
        t_statistic=t,
        p_t=p_t,
        w_statistic=w,
        p_wilcoxon=p_wilcoxon,
        n_seeds_a=len(a),
        n_seeds_b=len(b),
        confidence=1 - alpha,
        n_resamples=n_resamples,
        seed=seed,
        test=test,
        interval=interval,
        warnings=_warnings(n, spread, len(a), len(b)),
        percent_undefined=undefined,
        prediction_low=predicted[0],
        prediction_high=predicted[1],
        seed_p=permuted[0],
        seed_p_smallest=permuted[1],
    )  # fmt: skip


def _names(contrast: Contrast, spread: Spread, by_cluster: bool) -> tuple[str, str]:
    """Names of the test and of the interval."""
    skewed = spread.draws is not None
    if contrast.runs is not None:
        if by_cluster:
            return "two-way t (clusters x seeds)", "two-way t by cluster" + (
                ", skew-adjusted" if skewed else ""
            )
        return "two-way t (crystals x seeds)", "two-way t" + (", skew-adjusted" if skewed else "")
    test = "sign-flip by cluster" if by_cluster else "sign-flip"
    if not by_cluster and contrast.units <= EXACT_UP_TO:
        test = "exact sign-flip"
    if not spread.varies:
        return test, "none (no variation)"
    name = "bootstrap-t" if contrast.units <= BOOTSTRAP_UP_TO else "t"
    return test, f"{name} by cluster" if by_cluster else name


def _warnings(n: int, spread: Spread, k_a: int, k_b: int) -> tuple[Alarm, ...]:
    warnings = size_warnings(n)
    if min(k_a, k_b) == 1 < max(k_a, k_b):
        warnings.append(raised("one_run"))
    if not spread.varies:
        warnings.append(raised("no_variation"))
    return tuple(warnings)


def _sizes(
    a: np.ndarray, b: np.ndarray, contrast: Contrast, spread: Spread
) -> tuple[float, float, float, float]:
    """g_z, d_av, rank-biserial correlation, probability of superiority.

    With several runs in both arms they are those of a new crystal under new runs: the variation between runs is in the
    standard deviations, and ranks and signs are averaged over all pairs of runs.
    """
    d = contrast.differences
    if contrast.runs is None:
        return (
            effects.g_z(d), effects.d_av(contrast.first, contrast.second), effects.rank_biserial(d),
            effects.prob_superiority(d),
        )  # fmt: skip
    inside = [residual_variance(x) * (1 - 1 / len(x)) for x in (a, b)]
    arms = [float(x.mean(0).var(ddof=1)) + r for x, r in zip((a, b), inside)]
    between = [float(means.var(ddof=1)) for means in contrast.runs]
    if contrast.paired:
        change = residual_variance(a - b) * (1 - 1 / len(a)) + float((a - b).mean(1).var(ddof=1))
    else:
        change = sum(inside) + sum(between)
    total = float(d.var(ddof=1)) + change
    mean = spread.estimate
    correction = effects.hedges_correction(max(spread.df, 2.0))
    pairs = [(x, y) for x in a for y in b] if not contrast.paired else list(zip(a, b))
    return (
        float(correction * mean / np.sqrt(total)) if total > 0 else 0.0 if mean == 0 else math.nan,
        float(mean / np.sqrt((sum(arms) + sum(between)) / 2)) if sum(arms) + sum(between) > 0 else 0.0,
        float(np.mean([effects.rank_biserial(x - y) for x, y in pairs])),
        float(np.mean([effects.prob_superiority(x - y) for x, y in pairs])),
    )


def _t_test(mean: float, sd: float, n: int) -> tuple[float, float]:
    if sd == 0:
        return (0.0, 1.0) if mean == 0 else (float("nan"), float("nan"))
    t = mean / (sd / np.sqrt(n))
    return float(t), float(2 * stats.t.sf(abs(t), n - 1))


def _wilcoxon(differences: np.ndarray) -> tuple[float, float]:
    if not differences.any():
        return 0.0, 1.0
    sizes = np.abs(differences)
    if len(sizes) <= EXACT_WITH_TIES and (not sizes.all() or len(np.unique(sizes)) < len(sizes)):
        return _wilcoxon_counted(differences[sizes > 0])
    found = stats.wilcoxon(differences)
    return float(found.statistic), float(found.pvalue)


def _wilcoxon_counted(d: np.ndarray) -> tuple[float, float]:
    """The exact test where sizes are tied, as scipy's over all changes of sign, which calls Python for each of 2^n."""
    ranks = np.rint(2 * stats.rankdata(np.abs(d))).astype(int)
    ways = np.ones(1)  # of giving signs to the ranks so far, by twice the sum of the positive ones
    for rank in ranks:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    plus = int(ranks[d > 0].sum())
    one_sided = min(ways[: plus + 1].sum(), ways[plus:].sum()) / ways.sum()
    return min(plus, int(ranks.sum()) - plus) / 2, float(min(1.0, 2 * one_sided))


def percent_change(
    contrast: Contrast, interval: tuple[float, float], b: np.ndarray, alpha: float
) -> tuple[float, float, float, str]:
    """100 (mean(a)/mean(b) - 1) with Fieller's interval from the same model, and why there is none.

    It holds 0 exactly when the difference's interval does. Where the baseline's own interval reaches 0 the ratio may be
    anything, and no percent is given.

    Args:
        contrast: Both arms.
        interval: Of the difference.
        b: (k, N) baseline values.
        alpha: 1 - confidence.
    """
    bottom = contrast.mean_b
    nothing = (math.nan,) * 3
    if bottom == 0:
        return (*nothing, "baseline_is_zero")
    alone = contrast.baseline_spread()
    low_b, high_b = alone.interval(alpha)
    if low_b <= 0 <= high_b:
        return (*nothing, "baseline_interval_reaches_zero")
    low, high = contrast.ratio(alpha)
    if not np.isfinite(low + high):
        return (*nothing, "baseline_interval_reaches_zero")
    # a negative denominator turns the ratio around; report change relative to its size
    sign = float(np.sign(bottom))
    estimate = 100 * contrast.mean / abs(bottom)
    ends = sorted([100 * sign * (low - 1), 100 * sign * (high - 1)])
    # the search ends within 1e-7 of a width: keep the sides of 0 that the difference's interval has
    tiny = 1e-9 * (abs(estimate) + (ends[1] - ends[0]))
    if interval[0] > 0:
        ends[0] = max(ends[0], tiny)
    elif interval[1] < 0:
        ends[1] = min(ends[1], -tiny)
    else:
        ends = [min(ends[0], 0.0), max(ends[1], 0.0)]
    return estimate, float(ends[0]), float(ends[1]), ""
