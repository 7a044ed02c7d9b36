"""The chart below the verdict: each primary metric's ratio to the baseline on a logarithmic scale, with every run."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.figures.estimates import guide_percents, runs
from crysmm_attn_plugin.reports.language import known, pick
from crysmm_attn_plugin.reports.numbers import MISSING, fixed, format_p
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.reports.tables import OUTCOMES
from crysmm_attn_plugin.stats.results import MetricResult, PairComparison, PairedResult

Both = dict[str, str]

#: Changes in percent that a tick may mark.
TICKS = (
    -99,
    -95,
    -90,
    -80,
    -67,
    -50,
    -33,
    -20,
    -10,
    -5,
    -2,
    2,
    5,
    10,
    25,
    50,
    100,
    200,
    400,
    900,
    1900,
    9900,
)
#: Least distance of two ticks, in percent of the chart's width: that of the longest label on a telephone.
TICK_GAP = 13.0


@dataclass(frozen=True)
class Row:
    """One metric in the chart: positions in percent of the chart's width, text in both languages."""

    label: Both
    change: str
    interval: Both
    p: str
    outcome: Both
    predicted: int
    low: float | None
    centre: float | None
    high: float | None
    band: tuple[float, float] | None
    guide: tuple[float, float] | None
    arm_runs: tuple[float, ...]
    baseline_runs: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """Rows, ticks (position and label), the position of no change, and whether an interval alone says more than its row."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    together: bool

    @property
    def has_guide(self) -> bool:
        """Is a range of the guide drawn?"""
        return any(row.guide for row in self.rows)

    @property
    def has_runs(self) -> bool:
        """Is any single run drawn?"""
        return any(row.arm_runs for row in self.rows)


def log_ratio(percent: float | None) -> float | None:
    """Natural logarithm of the ratio that a change in percent makes; None where it is no positive ratio."""
    if percent is None or not math.isfinite(percent) or percent <= -100:
        return None
    return math.log1p(percent / 100)


def chart(pair: PairComparison, primary: Sequence[MetricResult]) -> Chart:
    """The chart of a pair's primary metrics."""
    spans = [_values(pair, m) for m in primary]
    spanned = [v for span in spans for v in span if v is not None]
    low, high = min([0.0, *spanned]), max([0.0, *spanned])
    margin = 0.06 * ((high - low) or 1.0)
    low, high = low - margin, high + margin

    def at(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / (high - low), 2)

    def band(first: float, second: float) -> tuple[float, float] | None:
        ends = at(log_ratio(first)), at(log_ratio(second))
        return None if ends[0] is None or ends[1] is None else (max(ends[0], 0.0), min(ends[1], 100.0))

    rows = []
    for m in primary:
        p = m.paired
        of_arm, of_baseline = _run_ratios(m)
        rows.append(
            Row(
                {lang: language.metric_heading(m.metric, lang) for lang in known()},
                signed_percent(p, language.SOURCE) or MISSING,
                {lang: percent_interval(p, lang) or MISSING for lang in known()},
                format_p(m.p_adjusted),
                {lang: pick(OUTCOMES[m.outcome], lang) for lang in known()},
                m.expected_sign,
                at(log_ratio(p.percent_ci_low)),
                at(log_ratio(p.percent_change)),
                at(log_ratio(p.percent_ci_high)),
                band(-m.sesoi_percent, m.sesoi_percent) if m.sesoi_percent else None,
                band(*guide) if (guide := guide_percents(pair, m.metric)) else None,
                tuple(at(v) or 0.0 for v in of_arm),
                tuple(at(v) or 0.0 for v in of_baseline),
            )
        )
    zero = at(0.0) or 0.0
    together = any(m.beyond_sesoi and m.outcome == "inconclusive" and not m.disagreement for m in primary)
    return Chart(tuple(rows), _ticks(low, high, zero), zero, together)


def _values(pair: PairComparison, m: MetricResult) -> list[float | None]:
    """Everything of a metric that has to lie within the chart."""
    p = m.paired
    percents = [
        p.percent_change,
        p.percent_ci_low,
        p.percent_ci_high,
        *(guide_percents(pair, m.metric) or ()),
    ]
    if m.sesoi_percent:
        percents += [-m.sesoi_percent * 1.3, m.sesoi_percent * 1.3]
    of_arm, of_baseline = _run_ratios(m)
    return [*(log_ratio(v) for v in percents), *of_arm, *of_baseline]


def _run_ratios(m: MetricResult) -> tuple[list[float], list[float]]:
    """Log ratio of each run's mean to the baseline's mean, of the arm and of the baseline."""
    found = runs(m)
    base = m.paired.mean_b
    if found is None or not base > 0:
        return [], []
    of_arm, of_baseline = ([math.log(v / base) for v in values if v > 0] for values in found)
    return of_arm, of_baseline


def _ticks(low: float, high: float, zero: float) -> tuple[tuple[float, str], ...]:
    """Ticks at round changes, none nearer to another than its label is wide; no change is always one."""
    chosen = [(zero, "0%")]
    # the wider the step, the sooner it is chosen
    for percent in sorted(TICKS, key=lambda t: (-abs(math.log1p(t / 100)) % 1.0, abs(t))):
        value = math.log1p(percent / 100)
        place = round(100 * (value - low) / (high - low), 2)
        if 3 <= place <= 97 and all(abs(place - other) >= TICK_GAP for other, _ in chosen):
            chosen.append((place, f"{fixed(percent, 0, sign=True)}%"))
    return tuple(sorted(chosen))


def signed_percent(p: PairedResult, lang: str) -> str:
    """The change in percent, at the precision of its interval; empty where it is not defined."""
    if not math.isfinite(p.percent_change):
        return ""
    shown = Wording(lang, "nature").percent(p.percent_change, p.percent_ci_low, p.percent_ci_high)
    return f"+{shown}" if p.percent_change > 0 and re.search("[1-9]", shown) else shown


def percent_interval(p: PairedResult, lang: str) -> str:
    """The interval of the change in percent; empty where an end is missing."""
    return Wording(lang, "nature").percent_interval(p.percent_ci_low, p.percent_ci_high)
