"""What the page shows below the verdict: the same question asked otherwise, other tests, the original script's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.reports.language import SOURCE, known, metric_heading, pick
from crysmm_attn_plugin.reports.numbers import (
    MISSING,
    fixed,
    format_number,
    format_p_value,
)
from crysmm_attn_plugin.reports.page.chart import Both, percent_interval, signed_percent
from crysmm_attn_plugin.reports.tables import OUTCOMES, SEED_METRICS, verdict_metrics
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison


@dataclass(frozen=True)
class Way:
    """One way of asking the question: its three choices and, for each primary metric, the answer."""

    direction: str
    scope: str
    aggregation: str
    main: bool
    cells: tuple[tuple[str, Both, Both], ...]


def sensitivity(result: ComparisonResult, pair: PairComparison) -> tuple[Way, ...]:
    """Every way the primary metrics were computed in; cells are (change, its interval, outcome)."""
    found: dict[tuple[str, str, str], dict[str, MetricResult]] = {}
    for m in pair.metrics:
        if m.metric in SEED_METRICS:
            found.setdefault((m.direction, m.scope, m.aggregation), {})[m.metric] = m
    main = (
        result.directions[0] if result.directions else "atom_to_text",
        "with_special",
        "metric_then_heads",
    )
    ways = []
    for key, metrics in found.items():
        cells: list[tuple[str, Both, Both]] = []
        for name in SEED_METRICS:
            found_metric = metrics.get(name)
            if found_metric is None:
                cells.append((MISSING, dict.fromkeys(known(), ""), dict.fromkeys(known(), "")))
                continue
            p = found_metric.paired
            cells.append(
                (
                    signed_percent(p, SOURCE) or MISSING,
                    {k: percent_interval(p, k) for k in known()},
                    {k: pick(OUTCOMES[found_metric.outcome], k) for k in known()},
                )
            )
        ways.append(Way(*key, key == main, tuple(cells)))
    return tuple(ways)


P_COLUMNS = ("p_primary", "p_adjusted", "p_t", "p_wilcoxon", "p_cluster", "p_tost")


def other_tests(result: ComparisonResult, pair: PairComparison) -> tuple[tuple[Both, tuple[str, ...]], ...]:
    """For each primary metric: its label and the p-values of ``P_COLUMNS``."""
    rows = []
    for m in verdict_metrics(pair, result):
        p = m.paired
        values = (p.p_value, m.p_adjusted, p.p_t, p.p_wilcoxon, m.p_cluster, m.p_tost)
        rows.append(
            (
                {k: metric_heading(m.metric, k) for k in known()},
                tuple(format_p_value(v) for v in values),
            )
        )
    return tuple(rows)


def legacy_rows(result: ComparisonResult, pair: PairComparison) -> dict[str, Any] | None:
    """The original script's numbers of this pair, as text."""
    for one in result.legacy:
        if (one.arm, one.baseline) == (pair.arm, pair.baseline):
            return {
                "batch": str(one.batch_size),
                "share": f"{fixed(100 * one.padding_share, 1)}%",
                "rows": [
                    (
                        name,
                        format_number(one.arm_values.get(name)),
                        format_number(one.baseline_values.get(name)),
                        f"{fixed(one.change_percent.get(name), 1, sign=True)}%",
                    )
                    for name in one.arm_values
                ],
            }
    return None
