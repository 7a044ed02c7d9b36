"""Parts of a comparison's result: one metric, the error, their coupling, the specifications. Words and their types.

Signs: every difference is treatment minus baseline (arm minus baseline arm). Percent changes divide by the
baseline arm's mean. Not-available numbers are None, and NaN in ``PairedResult``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from crysmm_attn_plugin.records import Alarm

#: What one metric says. ``supports`` and ``opposes`` speak of the hypothesis and need the claim ``verdict``; with one run an
#: arm a metric ``differs``; with two or three it is an ``estimate`` and nothing more.
Outcome = Literal["supports", "opposes", "negligible", "inconclusive", "differs", "estimate", "not_tested"]
Verdict = Literal[
    "supported",
    "partial",
    "contradicted",
    "partly_contradicted",
    "conflicting",
    "negligible",
    "inconclusive",
    "checkpoints_differ",
    "checkpoints_alike",
    "estimates_only",
    "not_tested",
]
PerformanceAxis = Literal["better", "worse", "indistinguishable", "unknown"]
#: What a sentence may claim, by the runs of the arm that has fewer: these checkpoints (1), estimates (2 or 3), a verdict on
#: the architectures (4 or more).
Claim = Literal["checkpoints", "estimates", "verdict", "none"]
#: Where p and interval of one run an arm part: a small p with 0 in the interval, or the other way round.
Disagreement = Literal["", "p_only", "interval_only"]
#: Which units the test and interval rest on.
Units = Literal["crystals", "clusters"]
SesoiSource = Literal["default", "changed", "declared"]


@dataclass(frozen=True)
class PairedResult:
    """Paired comparison of one metric: a - b over N crystals. See ``stats.compare_paired``.

    Attributes:
        ci_low, ci_high: Bootstrap-t for the mean with one run in an arm, two-way interval with several in both.
        p_value: Sign flips with one run in an arm; with several the level at which the interval reaches 0.
        g_z, d_av: With several runs in both arms over the SD of a new crystal under new runs.
        rank_biserial, prob_superiority: With several runs in both arms the mean over all pairs of runs.
        t_statistic, p_t, w_statistic, p_wilcoxon: Over crystals alone; NaN with several runs, which they ignore.
        percent_undefined: Why there is no percent change: ``baseline_is_zero``, ``baseline_interval_reaches_zero``.
        prediction_low, prediction_high: Interval for one new training run of each arm; NaN with one run in an arm.
        seed_p, seed_p_smallest: Permutation of runs between the arms, and the smallest p that it can give.
    """

    n: int
    mean_difference: float
    ci_low: float
    ci_high: float
    p_value: float
    g_z: float
    d_av: float
    rank_biserial: float
    hodges_lehmann: float
    prob_superiority: float
    df: float
    claim: Claim
    mean_a: float
    mean_b: float
    sd_a: float
    sd_b: float
    sd_difference: float
    median_difference: float
    hl_ci_low: float
    hl_ci_high: float
    percent_change: float
    percent_ci_low: float
    percent_ci_high: float
    t_statistic: float
    p_t: float
    w_statistic: float
    p_wilcoxon: float
    n_seeds_a: int
    n_seeds_b: int
    confidence: float
    n_resamples: int
    seed: int
    test: str
    interval: str
    warnings: tuple[Alarm, ...] = ()
    percent_undefined: str = ""
    prediction_low: float = math.nan
    prediction_high: float = math.nan
    seed_p: float = math.nan
    seed_p_smallest: float = math.nan


@dataclass(frozen=True)
class Trimmed:
    """Sensitivity of the mean to a few crystals: 20 % trimmed mean of the differences with Yuen's interval."""

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float


@dataclass(frozen=True)
class Posterior:
    """Probability that the true change lies below, within or above the smallest effect, flat priors, same model."""

    below: float
    within: float
    above: float


@dataclass(frozen=True)
class MetricResult:
    """One metric x direction x scope of one pair of arms.

    Attributes:
        scope: ``with_special``, ``without_special`` or ``without_stopwords``.
        aggregation: ``metric_then_heads`` (primary) or ``heads_then_metric`` (the original script's order).
        family: ``primary`` (one family, max-T adjusted), ``alignment`` (its one primary metric, Holm over arms) or
            ``exploratory`` (Benjamini-Hochberg).
        paired: The deciding numbers: by cluster where ``decides`` says so.
        sesoi: Smallest effect of interest in the metric's own unit; ``sesoi_percent`` the same in percent;
            ``sesoi_source`` who said so.
        p_tost: Larger of the two one-sided p-values, of the same interval; ``equivalent`` when below alpha.
        beyond_sesoi: The interval's nearer end passes the smallest effect.
        uniform_mean: The metric under uniform attention, same crystals; ``reinitialised_*`` under fresh weights.
        decides: Compositions that repeat make the clusters decide.
        p_crystals, ci_crystals_*: As if every crystal stood for itself, where clusters decide.
        p_cluster, ci_cluster_*, n_clusters: By composition, where it repeats and there are enough.
        disagreement: Where p and interval part (one run an arm): then the metric decides nothing.
        per_seed_arm, per_seed_baseline: Mean of each run over the paired crystals.
        break_even_run_sd: SD between training runs above which training alone gives such a difference in more than 1 of 20;
            ``break_even_run_percent`` in percent of the baseline's mean.
        seed_p, prediction_*: As in ``PairedResult``.
        detectable: Change that 80 % power would have found; ``detectable_percent`` in percent of the baseline's mean.
    """

    metric: str
    direction: str
    scope: str
    aggregation: str
    family: str
    expected_sign: int
    paired: PairedResult
    p_adjusted: float | None
    adjustment: str
    sesoi: float | None
    sesoi_percent: float | None
    p_tost: float | None
    equivalent: bool
    beyond_sesoi: bool
    outcome: Outcome
    uniform_mean: float | None = None
    reinitialised_mean_a: float | None = None
    reinitialised_mean_b: float | None = None
    p_cluster: float | None = None
    ci_cluster_low: float | None = None
    ci_cluster_high: float | None = None
    n_clusters: int | None = None
    decides: Units = "crystals"
    disagreement: Disagreement = ""
    p_crystals: float | None = None
    ci_crystals_low: float | None = None
    ci_crystals_high: float | None = None
    sesoi_source: SesoiSource = "default"
    per_seed_arm: tuple[float, ...] = ()
    per_seed_baseline: tuple[float, ...] = ()
    break_even_run_sd: float | None = None
    break_even_run_percent: float | None = None
    seed_p: float | None = None
    seed_p_smallest: float | None = None
    prediction_low: float | None = None
    prediction_high: float | None = None
    detectable: float | None = None
    detectable_percent: float | None = None
    trimmed: Trimmed | None = None
    posterior: Posterior | None = None


@dataclass(frozen=True)
class PerformanceResult:
    """Mean absolute error of both arms on the same crystals; difference is arm - baseline (negative = better).

    Attributes:
        relative_gain: (MAE_baseline - MAE_arm) / MAE_baseline, in percent: denominator is the baseline.
        relative_gain_other_denominator: the same numerator over MAE_arm, in percent, for reconciliation.
        break_even_seed_sd: Seed SD of MAE above which training alone gives such a gap in more than 1 of 20 (one run each).
    """

    axis: PerformanceAxis
    n: int
    mae_arm: float | None
    mae_baseline: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    relative_gain: float | None
    relative_gain_ci_low: float | None
    relative_gain_ci_high: float | None
    relative_gain_other_denominator: float | None
    break_even_seed_sd: float | None
    break_even_percent: float | None
    per_seed_mae_arm: tuple[float, ...] = ()
    per_seed_mae_baseline: tuple[float, ...] = ()
    claim: Claim = "none"
    disagreement: Disagreement = ""
    decides: Units = "crystals"
    seed_p: float | None = None
    seed_p_smallest: float | None = None
    prediction_low: float | None = None
    prediction_high: float | None = None


@dataclass(frozen=True)
class CouplingResult:
    """Change in one metric against change in absolute error, over crystals.

    Attributes:
        coefficient: Of the arm's standardised metric on its error, next to flexible curves of ``adjusted_for``.
        attenuation_low, attenuation_high: Range of the coefficient over what measurement error may hide.
    """

    metric: str
    n: int
    spearman: float
    ci_low: float
    ci_high: float
    p_value: float
    coefficient: float | None
    coefficient_se: float | None
    coefficient_p: float | None
    coefficient_ci_low: float | None = None
    coefficient_ci_high: float | None = None
    r_squared: float | None = None
    reliability: float | None = None
    ceiling: float | None = None
    co_varied: bool = False
    adjusted_for: tuple[str, ...] = ()
    attenuation_low: float | None = None
    attenuation_high: float | None = None


@dataclass(frozen=True)
class Specification:
    """One way of asking the same question: one point of the specification curve."""

    metric: str
    direction: str
    scope: str
    aggregation: str
    subset: str
    n: int
    mean_difference: float
    ci_low: float
    ci_high: float
    percent_change: float
    g_z: float
    p_value: float


@dataclass(frozen=True)
class SpecificationTest:
    """Joint test over all specifications: could so one-sided a curve arise if the arms did not differ?

    Attributes:
        n: Specifications; ``same_sign`` go the way the hypothesis predicts, ``opposite_sign`` the other.
        significant_same, significant_opposite: Those whose own interval leaves out 0, by direction.
        median_percent: Median percent change along the predicted direction.
        p_value: Share of permutations whose specifications agree at least as strongly, in either direction.
        unit: What is permuted: signs of ``crystals`` (or their clusters), or ``runs`` between the arms.
        smallest_p: Smallest p that so many permutations can give.
    """

    n: int
    same_sign: int
    opposite_sign: int
    significant_same: int
    significant_opposite: int
    median_percent: float
    p_value: float
    n_permutations: int
    unit: Literal["crystals", "runs"]
    smallest_p: float
