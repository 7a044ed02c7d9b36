"""Tables for machines and spreadsheets: the guide's statistics file, and every test of the comparison."""

from __future__ import annotations

from typing import Any

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.reports.tables import SEED_METRICS, to_csv, verdict_metrics
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult

#: The guide's columns.
SEED_COLUMNS = ("Metric", "Full Model (with Middle Fusion)", "No Middle Fusion", "Improvement (%)")
#: Ours. A negative "improvement" of the entropy is the better one, so the word stands beside it.
STATISTICS = (
    "Better or worse", "Seed metric", "Arm", "Baseline", "Direction", "Scope", "Difference", "CI low", "CI high", "CI level",
    "g_z", "p", "Adjusted p", "Adjustment", "Percent CI low", "Percent CI high", "N", "Outcome", "Verdict", "Legacy full",
    "Legacy no middle", "Legacy change (%)",
)  # fmt: skip


def better_or_worse(m: MetricResult) -> str:
    """Whether the estimate goes the way the guide calls better; ``not shown`` where its interval holds zero."""
    p = m.paired
    if not m.expected_sign or not p.mean_difference or p.mean_difference != p.mean_difference:
        return ""
    if m.disagreement or p.ci_low <= 0 <= p.ci_high:
        return "not shown"
    return "better" if (p.mean_difference > 0) == (m.expected_sign > 0) else "worse"


def seed_statistics(result: ComparisonResult) -> str:
    """``attention_statistics.csv``: the guide's four columns and metrics first, then ours."""
    rows: list[list[Any]] = []
    for pair in result.pairs:
        legacy = next((x for x in result.legacy if (x.arm, x.baseline) == (pair.arm, pair.baseline)), None)
        for m in verdict_metrics(pair, result):
            p, seed_name = m.paired, BY_NAME[m.metric].seed_name
            old: list[float | None] = [None] * 3
            if legacy is not None:
                old = [legacy.arm_values.get(seed_name), legacy.baseline_values.get(seed_name),
                       legacy.change_percent.get(seed_name)]  # fmt: skip
            rows.append(
                [seed_name, p.mean_a, p.mean_b, p.percent_change, better_or_worse(m), m.metric, pair.arm, pair.baseline,
                 m.direction, m.scope, p.mean_difference, p.ci_low, p.ci_high, p.confidence, p.g_z, p.p_value, m.p_adjusted,
                 m.adjustment, p.percent_ci_low, p.percent_ci_high, p.n, m.outcome, pair.verdict, *old]
            )  # fmt: skip
    if not result.pairs:
        for metric in SEED_METRICS:
            mean = result.arms[0].means.get(metric)
            rest = [None] * (len(STATISTICS) - 3)
            rows.append([BY_NAME[metric].seed_name, mean, None, None, "", metric, result.arms[0].name, *rest])
    return to_csv([*SEED_COLUMNS, *STATISTICS], rows)


SIGNIFICANCE = (
    "arm", "baseline", "metric", "direction", "scope", "aggregation", "family", "n", "n_seeds_arm", "n_seeds_baseline",
    "mean_arm", "mean_baseline", "mean_difference", "ci_low", "ci_high", "percent_change", "percent_ci_low",
    "percent_ci_high", "g_z", "d_av", "rank_biserial", "hodges_lehmann", "prob_superiority", "p_value", "p_adjusted",
    "adjustment", "p_t", "p_wilcoxon", "p_cluster", "n_clusters", "sesoi", "p_tost", "equivalent", "outcome",
    "uniform_mean", "reinitialised_mean_arm", "reinitialised_mean_baseline", "test", "interval",
)  # fmt: skip


def significance_rows(result: ComparisonResult) -> list[list[Any]]:
    """One row per metric x arm pair x direction x scope x aggregation, as ``SIGNIFICANCE`` names them."""
    return [
        [pair.arm, pair.baseline, m.metric, m.direction, m.scope, m.aggregation, m.family, p.n, p.n_seeds_a, p.n_seeds_b,
         p.mean_a, p.mean_b, p.mean_difference, p.ci_low, p.ci_high, p.percent_change, p.percent_ci_low, p.percent_ci_high,
         p.g_z, p.d_av, p.rank_biserial, p.hodges_lehmann, p.prob_superiority, p.p_value, m.p_adjusted, m.adjustment, p.p_t,
         p.p_wilcoxon, m.p_cluster, m.n_clusters, m.sesoi, m.p_tost, m.equivalent, m.outcome, m.uniform_mean,
         m.reinitialised_mean_a, m.reinitialised_mean_b, p.test, p.interval]
        for pair in result.pairs
        for m in pair.metrics
        for p in (m.paired,)
    ]  # fmt: skip


def significance(result: ComparisonResult) -> str:
    """``significance.csv``: every test of the comparison."""
    return to_csv(SIGNIFICANCE, significance_rows(result))
