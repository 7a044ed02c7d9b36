"""Fully populated, internally consistent comparison results for any verdict, without a store or a model.

``synthetic_result("contradicted", "better", seeds=5)`` is what ``stats.compare`` would return for such
data: the interval lies around the estimate, the percent change is the difference over the baseline's mean,
the p-value is that of the interval's standard error and degrees of freedom, outcomes and verdict come from
``stats.verdict``. Every option changes one thing. ``percents`` and ``relative_se`` give any other case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from scipy import stats
from synthetic_use import arm_use, pair_use

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.catalogue import METRICS, PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats.checks import size_warnings
from crysmm_attn_plugin.stats.results import (
    ArmSummary,
    CategoryMass,
    Claim,
    ComparisonResult,
    CouplingResult,
    DeclarationRecord,
    Disagreement,
    EpochPoint,
    ExampleCrystal,
    LegacyResult,
    MetricResult,
    PairComparison,
    PairedResult,
    PerformanceAxis,
    PerformanceResult,
    SesoiSource,
    Specification,
    Verdict,
)
from crysmm_attn_plugin.stats.runs import break_even_run_sd
from crysmm_attn_plugin.stats.verdict import claim_of, outcome, scenario, verdict

VERDICTS: tuple[Verdict, ...] = (
    "supported",
    "partial",
    "contradicted",
    "partly_contradicted",
    "conflicting",
    "negligible",
    "inconclusive",
    "not_tested",
)
AXES: tuple[PerformanceAxis, ...] = ("better", "worse", "indistinguishable", "unknown")
#: Runs per arm; a verdict word needs four.
SEEDS = (1, 2, 3, 5)

#: Baseline mean of each metric, and the change in percent that the hypothesis predicts.
BASELINE_MEAN = {
    "entropy": 3.182,
    "max_weight": 0.1634,
    "effective_tokens_hill": 27.46,
    "gini": 0.5713,
    "normalized_entropy": 0.7125,
    "effective_tokens_hill2": 14.87,
    "effective_tokens_01": 1.938,
    "between_atom_tv": 0.1847,
    "special_mass": 0.2261,
    "stopword_mass": 0.1179,
    "punctuation_mass": 0.0836,
    "alignment_auc": 0.5432,
    "alignment_pointing": 0.5217,
    "alignment_excess": 0.0126,
    "alignment_lift": 1.1843,
    "alignment_lift_bonds": 1.0671,
    "alignment_lift_coordination": 1.0422,
    "element_blocks": 0.3127,
    "site_blocks": 0.0418,
    "word_blocks": 0.0893,
    "first_sentence_mass": 0.1264,
    "last_sentence_mass": 0.1731,
    "reading_position": 0.4625,
}
PREDICTED = {"entropy": -23.6, "max_weight": 38.2, "effective_tokens_hill": -41.7, "gini": 27.9}
UNIFORM = {
    "entropy": 4.61, "max_weight": 0.0103, "effective_tokens_hill": 101.7, "gini": 0.0, "alignment_auc": 0.5,
}  # fmt: skip
SMALL = {"entropy": -2.9, "max_weight": 3.4, "effective_tokens_hill": -3.6, "gini": 2.3}

#: verdict -> one letter per primary metric: s supports, o opposes, n negligible, i inconclusive
PATTERNS: dict[Verdict, str] = {
    "supported": "ssss",
    "partial": "sisn",
    "contradicted": "oooo",
    "partly_contradicted": "ooio",
    "conflicting": "soso",
    "negligible": "nnnn",
    "inconclusive": "iiii",
    "not_tested": "",
}
#: verdict -> one letter for alignment and each metric of blocks, and what interventions say of the arm
ALIGNED: dict[Verdict | None, tuple[str, str]] = {
    "supported": ("ssis", "used"),
    "partial": ("isin", "used"),
    "contradicted": ("oooi", "unclear"),
    "partly_contradicted": ("oiii", "used"),
    "conflicting": ("soso", "unclear"),
    "negligible": ("nnnn", "not_used"),
    "inconclusive": ("iiii", "unclear"),
    "not_tested": ("iiii", "unclear"),
    None: ("ssis", "used"),
}
#: letter -> percent change and its standard error, for those metrics
ALIGNED_PERCENT = {"s": (11.3, 1.7), "o": (-11.3, 1.7), "n": (0.4, 0.9), "i": (3.1, 2.2)}
ALIGNED_METRICS = ("alignment_auc", "element_blocks", "site_blocks", "word_blocks")
#: letter -> standard error of the percent change, percent points
RELATIVE_SE = {"s": 1.9, "o": 1.9, "n": 0.9, "i": 2.4}


def synthetic_result(
    word: Verdict | None = "supported",
    axis: PerformanceAxis = "better",
    *,
    seeds: int = 1,
    arms: Sequence[str] = ("full",),
    baseline: str = "no_middle",
    n: int | None = None,
    untrained: bool = False,
    truncated: int = 0,
    missing_predictions: int = 0,
    legacy: bool = False,
    epochs: int = 0,
    checkpoint_role: str = "best_val",
    small: bool = False,
    unequal: bool = False,
    duplicates: int = 0,
    differing: Sequence[str] = (),
    percents: Mapping[str, float] | None = None,
    relative_se: Mapping[str, float] | None = None,
    seeds_baseline: int | None = None,
    baseline_known: bool = True,
    disagree: Sequence[str] = (),
    undefined: Sequence[str] = (),
    declaration: DeclarationRecord | None = None,
    sesoi_source: SesoiSource = "default",
    clusters_decide: bool = False,
    unit: str = "eV",
) -> ComparisonResult:
    """A comparison result with the wanted verdict, as far as its runs allow a word.

    Args:
        word: Verdict; None takes whatever ``percents`` and ``relative_se`` lead to.
        axis: Performance axis.
        seeds: Runs per arm.
        arms: Arms compared with the baseline; empty for one arm alone (the baseline's name).
        baseline: Baseline arm.
        n: Paired crystals; 412, or 64 where the verdict is inconclusive, or 8 where it is not tested.
        untrained: Adds the ``text_to_atom`` direction with the alarm that it was never trained.
        truncated: Descriptions cut by the tokenizer.
        missing_predictions: Crystals without a prediction: the error is compared on fewer.
        legacy: Adds the original script's numbers.
        epochs: Epochs with a point each, 0 for none.
        checkpoint_role: ``best_val``, ``best_test`` or ``last``.
        small: Supporting changes of 5 to 15 % instead of the guide's large ones.
        unequal: Baseline has one seed fewer (for two seeds or more).
        duplicates: Pairs of likely duplicate crystals.
        differing: Settings in which the arms differ besides the fusion.
        percents: Primary metric -> percent change, overriding the verdict's.
        relative_se: Primary metric -> standard error of it, percent points.
        seeds_baseline: Runs of the baseline, when they are other than ``seeds``.
        baseline_known: False when the baseline was a guess.
        disagree: Primary metrics whose test and interval part.
        undefined: Primary metrics whose baseline's interval reaches zero.
        declaration: A declaration carried into the runs.
        sesoi_source: Where the smallest effect of interest comes from.
        clusters_decide: Compositions repeat.
        unit: Of the property.

    Raises:
        AssertionError: When the numbers do not lead to the wanted verdict.
    """
    pattern = "ssss" if word is None else PATTERNS[word]
    if n is None:
        n = 8 if word == "not_tested" else 64 if word == "inconclusive" else 412
    seeds_b = seeds_baseline or (max(1, seeds - 1) if unequal else seeds)
    case = _Case(baseline_known, tuple(disagree), tuple(undefined), sesoi_source, clusters_decide)
    pairs = tuple(
        _pair(
            arm,
            baseline,
            word,
            axis,
            pattern,
            seeds,
            seeds_b,
            n,
            i,
            untrained,
            missing_predictions,
            small,
            tuple(differing),
            percents or {},
            relative_se or {},
            case,
        )
        for i, arm in enumerate(arms)
    )
    names = [baseline, *arms]
    summaries = tuple(
        _arm(name, pairs, seeds_b if name == baseline else seeds, i, untrained, checkpoint_role, axis)
        for i, name in enumerate(names)
    )
    alarms = []
    if untrained:
        alarms.append(
            Alarm(
                "untrained_direction",
                "no gradient ever reached the text_to_atom weights of fine_grained_attention: that direction "
                "is not used by the loss and keeps its random initial weights.",
                "fine_grained_attention",
                "text_to_atom",
            )
        )
    if truncated:
        alarms.append(
            Alarm(
                "text_truncated",
                f"{truncated} of {n} descriptions were cut at the tokenizer's maximum length; their ends "
                "were never read.",
                detail={"n": truncated},
            )
        )
    return ComparisonResult(
        schema_version=1,
        created="2026-01-15T08:30:00Z",
        property="mbj_bandgap",
        dataset="dft_3d",
        unit=unit,
        split="test",
        checkpoint_rule="auto",
        baseline=baseline if arms else "",
        arms=summaries,
        pairs=pairs,
        n_crystals=n,
        excluded={"not in every run": 3} if arms else {},
        examples=_examples(bool(arms)),
        categories=_categories([s.name for s in summaries]),
        epochs=_epochs([s.name for s in summaries], epochs, n),
        legacy=tuple(_legacy(arm, baseline) for arm in arms) if legacy else (),
        alarms=tuple(alarms),
        warnings=tuple(size_warnings(n)),
        duplicates=tuple((f"JVASP-{2000 + 2 * i}", f"JVASP-{2001 + 2 * i}") for i in range(duplicates)),
        module="fine_grained_attention",
        directions=("atom_to_text", "text_to_atom") if untrained else ("atom_to_text",),
        n_heads=8,
        median_tokens=103.0,
        median_atoms=7.0,
        n_truncated=truncated,
        alpha=0.05,
        seed=20260115,
        n_resamples=10_000,
        versions={
            "crysmm-attn": "0.1.0",
            "numpy": "2.2.6",
            "scipy": "1.15.3",
            "pandas": "2.3.3",
            "matplotlib": "3.10.9",
        },
        declaration=declaration,
        baseline_known=baseline_known,
        use=tuple(
            arm_use(
                name,
                seeds_b if name == baseline else seeds,
                n,
                "used" if name == baseline else ALIGNED[word][1],
            )
            for name in names
        ),
    )


@dataclass(frozen=True)
class _Case:
    """What is unusual about a comparison."""

    baseline_known: bool = True
    disagree: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    sesoi_source: SesoiSource = "default"
    clusters_decide: bool = False


def _pair(
    arm: str,
    baseline: str,
    word: Verdict | None,
    axis: PerformanceAxis,
    pattern: str,
    seeds: int,
    seeds_b: int,
    n: int,
    index: int,
    untrained: bool,
    missing: int,
    small: bool,
    differing: tuple[str, ...],
    percents: Mapping[str, float],
    relative_se: Mapping[str, float],
    case: _Case,
) -> PairComparison:
    claim: Claim = claim_of(min(seeds, seeds_b)) if pattern else "none"
    reasons = {"checkpoints": ("one_run",), "estimates": ("few_runs",), "none": ("few_crystals",)}.get(
        claim, ()
    )
    if differing:
        reasons += ("arms_differ_otherwise",)
    if not case.baseline_known:
        reasons += ("arms_not_named",)
    if claim == "verdict" and reasons:
        claim = "estimates"
    metrics: list[MetricResult] = []
    directions = ("atom_to_text", "text_to_atom") if untrained else ("atom_to_text",)
    readings = [
        (direction, scope, aggregation, weaker * (1.0 if direction == "atom_to_text" else 0.02))
        for direction in directions
        for scope, aggregation, weaker in (
            ("with_special", "metric_then_heads", 1.0),
            ("with_special", "heads_then_metric", 0.91),
            ("without_special", "metric_then_heads", 0.83),
            ("without_stopwords", "metric_then_heads", 0.77),
        )
    ]
    if pattern:
        for direction, scope, aggregation, factor in readings:
            family = []
            for letter, metric in zip(pattern, PRIMARY):
                percent, se = percent_of(metric, letter, small)
                percent = percents.get(metric, percent + 0.4 * index)
                se = relative_se.get(metric, se)
                family.append(
                    _metric(
                        metric,
                        direction,
                        scope,
                        aggregation,
                        percent * factor,
                        se,
                        seeds,
                        seeds_b,
                        n,
                        claim,
                        case,
                    )
                )
            metrics += _adjusted(family, min(seeds, seeds_b) == 1, claim)
        for spec in METRICS:
            if spec.family == "primary":
                continue
            aligned = spec.name in ALIGNED_METRICS
            letter = ALIGNED[word][0][ALIGNED_METRICS.index(spec.name)] if aligned else "i"
            percent, se = ALIGNED_PERCENT[letter]
            one = _metric(
                spec.name, "atom_to_text", "with_special", "metric_then_heads", percent + index, se, seeds, seeds_b, n,
                claim, case,
            )  # fmt: skip
            metrics += _adjusted([one], False, claim) if aligned else [one]
    primary = [
        m
        for m in metrics
        if (m.family, m.direction, m.scope, m.aggregation)
        == ("primary", "atom_to_text", "with_special", "metric_then_heads")
    ]
    found = verdict([m.outcome for m in primary], claim)
    assert word is None or claim != "verdict" or case.disagree or found == word, (found, word)
    performance = _performance(axis, n - missing, seeds, seeds_b, index, claim)
    warnings = ()
    if differing:
        warnings = (raised("arms_differ_otherwise", arm=arm, baseline=baseline, settings=list(differing)),)
    dz = float((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / math.sqrt(n)) if pattern else None
    return PairComparison(
        arm,
        baseline,
        n,
        claim,
        found,
        scenario(primary, found, axis) if claim == "verdict" else None,
        tuple(metrics),
        performance,
        _coupling(n - missing, seeds) if pattern and axis != "unknown" else (),
        tuple(_specifications(primary, n)),
        dz,
        {m.metric: 100 * dz * m.paired.sd_difference / m.paired.mean_b for m in primary} if dz else {},
        ("middle_fusion", *differing),
        warnings,
        reasons,
        use=pair_use(n, min(seeds, seeds_b), claim),
    )


def percent_of(metric: str, letter: str, small: bool = False) -> tuple[float, float]:
    """Percent change and its standard error for one letter of a pattern."""
    predicted = PREDICTED[metric] * (0.32 if small else 1.0)
    values = {"s": predicted, "o": -predicted * 0.8, "n": SMALL[metric] * 0.1, "i": SMALL[metric]}
    return values[letter], RELATIVE_SE[letter] * (0.3 if small else 1.0)


@cache
def _metric(
    metric: str,
    direction: str,
    scope: str,
    aggregation: str,
    percent: float,
    se_percent: float,
    seeds: int,
    seeds_b: int,
    n: int,
    claim: Claim,
    case: _Case,
) -> MetricResult:
    mean_b = BASELINE_MEAN[metric]
    difference, se = mean_b * percent / 100, mean_b * se_percent / 100
    single = min(seeds, seeds_b) == 1
    # the run part dominates with several seeds
    df = float(n - 1) if single else 1.7 * (seeds + seeds_b - 2) + 0.61
    if not single:
        se *= 0.5
        se_percent *= 0.5
    sd = se * math.sqrt(n) if single else 4.0 * se * math.sqrt(n) / 10
    half = float(stats.t.ppf(0.975, df)) * se
    p = float(2 * stats.t.sf(abs(difference) / se, df))
    if single:
        p = max(p, 1 / 10_001)
    shrink = math.exp(math.lgamma((n - 1) / 2) - math.lgamma((n - 2) / 2)) / math.sqrt((n - 1) / 2)
    t = difference / (sd / math.sqrt(n))
    percent_half = half / mean_b * 100
    sesoi = 0.05 * mean_b
    disagreement: Disagreement = "p_only" if metric in case.disagree else ""
    undefined = metric in case.undefined
    if disagreement:
        half = 1.1 * abs(difference)
    p_tost = float(max(stats.t.sf((difference + sesoi) / se, df), stats.t.cdf((difference - sesoi) / se, df)))
    spec = next(s for s in METRICS if s.name == metric)
    probability = float(stats.norm.cdf(difference / sd))
    paired = PairedResult(
        n=n,
        mean_difference=difference,
        ci_low=difference - half,
        ci_high=difference + half,
        p_value=p,
        g_z=shrink * difference / sd,
        d_av=difference / (0.9 * sd),
        rank_biserial=2 * probability - 1,
        hodges_lehmann=0.98 * difference,
        prob_superiority=probability,
        df=df,
        claim=claim,
        mean_a=mean_b + difference,
        mean_b=mean_b,
        sd_a=0.88 * sd,
        sd_b=0.92 * sd,
        sd_difference=sd,
        median_difference=0.97 * difference,
        hl_ci_low=0.98 * difference - half,
        hl_ci_high=0.98 * difference + half,
        percent_change=math.nan if undefined else percent,
        percent_ci_low=math.nan if undefined else percent - percent_half,
        percent_ci_high=math.nan if undefined else percent + percent_half,
        t_statistic=t if single else math.nan,
        p_t=float(2 * stats.t.sf(abs(t), n - 1)) if single else math.nan,
        w_statistic=float(n * (n + 1) // 4) if single else math.nan,
        p_wilcoxon=min(1.0, 1.05 * float(2 * stats.t.sf(abs(t), n - 1))) if single else math.nan,
        n_seeds_a=seeds,
        n_seeds_b=seeds_b,
        confidence=0.95,
        n_resamples=10_000,
        seed=20260115,
        test="sign-flip" if single else "two-way t (crystals x seeds)",
        interval="bootstrap-t" if single else "two-way t",
        percent_undefined="baseline_interval_reaches_zero" if undefined else "",
    )
    headline = spec.family == "primary" and (direction, scope, aggregation) == (
        "atom_to_text",
        "with_special",
        "metric_then_heads",
    )
    uniform = UNIFORM.get(metric)
    return MetricResult(
        metric,
        direction,
        scope,
        aggregation,
        spec.family,
        spec.expected_sign,
        paired,
        None,
        "",
        sesoi,
        5.0,
        p_tost,
        p_tost < 0.05,
        difference - half >= sesoi or difference + half <= -sesoi,
        "not_tested",
        uniform,
        None if uniform is None else 0.97 * uniform + 0.004,
        None if uniform is None else 0.96 * uniform + 0.005,
        min(1.0, 1.3 * p) if headline else None,
        difference - 1.1 * half if headline else None,
        difference + 1.1 * half if headline else None,
        max(5, int(0.87 * n)) if headline else None,
        decides="clusters" if case.clusters_decide else "crystals",
        disagreement=disagreement,
        p_crystals=p / 1.3 if case.clusters_decide and headline else None,
        sesoi_source=case.sesoi_source,
        per_seed_arm=_per_run(mean_b + difference, 0.01 * mean_b, seeds),
        per_seed_baseline=_per_run(mean_b, 0.01 * mean_b, seeds_b),
        break_even_run_sd=break_even_run_sd(difference, (seeds, seeds_b)) if single else None,
        break_even_run_percent=100 * break_even_run_sd(difference, (seeds, seeds_b)) / mean_b
        if single
        else None,
        seed_p=None if single else 2 / math.comb(seeds + seeds_b, seeds),
        seed_p_smallest=None if single else 2 / math.comb(seeds + seeds_b, seeds),
        prediction_low=None if single else difference - 2.4 * half,
        prediction_high=None if single else difference + 2.4 * half,
    )


def _per_run(mean: float, step: float, runs: int) -> tuple[float, ...]:
    return tuple(mean + step * (i - (runs - 1) / 2) for i in range(runs))


def _adjusted(family: list[MetricResult], single: bool, claim: Claim) -> list[MetricResult]:
    raw = [m.paired.p_value for m in family]
    order = sorted(range(len(raw)), key=raw.__getitem__)
    adjusted, running = [0.0] * len(raw), 0.0
    for rank, i in enumerate(order):
        # max-T is a little kinder than Holm where metrics are correlated
        factor = (len(raw) - rank) * (0.7 if single and len(raw) - rank > 1 else 1.0)
        running = min(1.0, max(running, factor * raw[i]))
        adjusted[i] = running
    found = []
    for m, p in zip(family, adjusted):
        word = outcome(
            estimate=m.paired.mean_difference,
            expected_sign=m.expected_sign,
            established=p < 0.05 and not m.disagreement,
            beyond=m.beyond_sesoi,
            equivalent=m.equivalent,
            claim=claim,
        )
        found.append(
            replace(m, p_adjusted=p, adjustment="step-down max-T" if single else "Holm", outcome=word)
        )
    return found


def _performance(
    axis: PerformanceAxis, n: int, seeds: int, seeds_b: int, index: int, claim: Claim
) -> PerformanceResult:
    if axis == "unknown":
        return PerformanceResult("unknown", 0, *([None] * 12))
    a, b = {"better": (0.2551, 0.2740), "worse": (0.2917, 0.2740), "indistinguishable": (0.2719, 0.2740)}[
        axis
    ]
    a += 0.0011 * index
    single = min(seeds, seeds_b) == 1
    se = 0.0047
    df = float(n - 1) if single else 1.9 * (seeds + seeds_b - 2) + 1.4
    half = float(stats.t.ppf(0.975, df)) * se * (1.0 if single else 0.55)
    gap = a - b
    p = float(2 * stats.t.sf(abs(gap) / (se * (1.0 if single else 0.55)), df))
    sd = break_even_run_sd(gap, (seeds, seeds_b)) if single else None
    return PerformanceResult(
        axis,
        n,
        a,
        b,
        gap,
        gap - half,
        gap + half,
        p,
        -100 * gap / b,
        -100 * (gap + half) / b,
        -100 * (gap - half) / b,
        -100 * gap / a,
        sd,
        100 * sd / a if sd is not None else None,
        _per_seed(a, seeds),
        _per_seed(b, seeds_b),
        claim,
    )


def _per_seed(mean: float, seeds: int) -> tuple[float, ...]:
    offsets = [0.0031 * (i - (seeds - 1) / 2) for i in range(seeds)]
    return tuple(mean + o for o in offsets)


def _arm(
    name: str,
    pairs: tuple[PairComparison, ...],
    seeds: int,
    index: int,
    untrained: bool,
    role: str,
    axis: PerformanceAxis,
) -> ArmSummary:
    mae: float | None = None
    means = dict(BASELINE_MEAN)
    for pair in pairs:
        mine = pair.arm == name
        if mine or pair.baseline == name:
            mae = pair.performance.mae_arm if mine else pair.performance.mae_baseline
            means.update({m.metric: m.paired.mean_a if mine else m.paired.mean_b for m in pair.primary()})
    if not pairs and axis != "unknown":
        mae = 0.2740
    values = _per_seed(mae or 0.0, seeds)
    centre = sum(values) / seeds
    sd = (
        math.sqrt(sum((v - centre) ** 2 for v in values) / (seeds - 1))
        if mae is not None and seeds > 1
        else None
    )
    return ArmSummary(
        name=name,
        n_seeds=seeds,
        run_ids=tuple(f"2026-01-1{s}-{index}" for s in range(seeds)),
        checkpoints=tuple(f"{index:x}{s:x}" * 8 for s in range(seeds)),
        checkpoint_roles=(role,) * seeds,
        checkpoint_files=(f"{role}_model.pt",) * seeds,
        seeds=tuple(40 + s for s in range(seeds)),
        mae=mae,
        mae_sd=sd,
        means=means,
        untrained=("text_to_atom",) if untrained else (),
    )


def _coupling(n: int, seeds: int) -> tuple[CouplingResult, ...]:
    found = []
    for i, metric in enumerate(PRIMARY):
        rho = (0.163, -0.041, 0.188, -0.097)[i]
        z, se = math.atanh(rho), 1 / math.sqrt(n - 3)
        p = float(2 * stats.norm.sf(abs(z) / se))
        slope, slope_se = (0.0127, -0.0031, 0.0141, -0.0058)[i], 0.0046
        p_slope = float(2 * stats.norm.sf(abs(slope) / slope_se))
        reliability = 0.71 if seeds > 1 else None
        found.append(
            CouplingResult(
                metric,
                n,
                rho,
                math.tanh(z - 1.96 * se),
                math.tanh(z + 1.96 * se),
                p,
                slope,
                slope_se,
                p_slope,
                slope - 1.96 * slope_se,
                slope + 1.96 * slope_se,
                0.238,
                reliability,
                0.63 if seeds > 1 else None,
                p < 0.05 and p_slope < 0.05,
            )
        )
    return tuple(found)


def _specifications(primary: Sequence[MetricResult], n: int) -> list[Specification]:
    rows = []
    for m in primary:
        r = m.paired
        for i, scope in enumerate(("with_special", "without_special", "without_stopwords")):
            for j, aggregation in enumerate(("metric_then_heads", "heads_then_metric")):
                for k, subset in enumerate(
                    ("all crystals", "shorter texts", "longer texts", "fewer atoms", "more atoms")
                ):
                    factor = 1 - 0.07 * i - 0.05 * j + (0, 0.06, -0.05, 0.03, -0.02)[k]
                    size = n if k == 0 else max(10, n // 3)
                    centre = r.mean_difference * factor
                    half = (r.ci_high - r.ci_low) / 2 * (1 if k == 0 else 1.7)
                    rows.append(
                        Specification(
                            m.metric,
                            m.direction,
                            scope,
                            aggregation,
                            subset,
                            size,
                            centre,
                            centre - half,
                            centre + half,
                            r.percent_change * factor,
                            r.g_z * factor,
                            min(1.0, r.p_value * (1 + k)),
                        )
                    )
    return rows


def _examples(compared: bool) -> tuple[ExampleCrystal, ...]:
    if not compared:
        return (ExampleCrystal("JVASP-1002", "NaCl", "median_change", "entropy", 3.14, 3.14, float("nan")),)
    return (
        ExampleCrystal("JVASP-1002", "NaCl", "median_change", "entropy", -0.71, 2.41, 3.12),
        ExampleCrystal("JVASP-8158", "SrTiO3", "largest_decrease", "entropy", -1.63, 1.95, 3.58),
        ExampleCrystal("JVASP-32", "Al2O3", "largest_increase", "entropy", 0.24, 3.31, 3.07),
    )


def _categories(arms: Sequence[str]) -> tuple[CategoryMass, ...]:
    rows = []
    shares = (0.142, 0.093, 0.164, 0.118, 0.071, 0.106, 0.084, 0.187, 0.035)
    for k, arm in enumerate(arms):
        tilted = [s * (1 + 0.06 * k * (1 if i < 3 else -1)) for i, s in enumerate(shares)]
        for category, share in zip(TOKEN_CATEGORIES, tilted):
            mean = share / sum(tilted)
            rows.append(CategoryMass(arm, category, mean, mean - 0.006, mean + 0.006))
    return tuple(rows)


def _epochs(arms: Sequence[str], epochs: int, n: int) -> tuple[EpochPoint, ...]:
    return tuple(
        EpochPoint(arm, f"2026-01-10-{k}", e, m, value, value * 0.98, value * 1.02, n)
        for k, arm in enumerate(arms)
        for e in range(1, epochs + 1)
        for m in PRIMARY
        for value in [BASELINE_MEAN[m] * (1 - PREDICTED[m] / 100 * math.exp(-e / 5) * (k + 1) / 2)]
    )


def _legacy(arm: str, baseline: str) -> LegacyResult:
    a = {"entropy": 2.914, "max_weight": 0.2013, "effective_tokens": 2.31, "gini": 0.6914}
    b = {"entropy": 3.377, "max_weight": 0.1589, "effective_tokens": 2.58, "gini": 0.6127}
    return LegacyResult(arm, baseline, 32, 6204, 0.361, a, b, {k: 100 * (a[k] - b[k]) / b[k] for k in a})
