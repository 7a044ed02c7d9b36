"""What the statistics figure says in words and levels: estimates, reference values, runs, and the guide's ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crysmm_attn_plugin.reports.arm_names import is_about_middle_fusion
from crysmm_attn_plugin.reports.figures.wording import attached, p_text, percent, say, with_interval
from crysmm_attn_plugin.reports.guide import GUIDE_RANGES
from crysmm_attn_plugin.reports.language import metric_unit
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed
from crysmm_attn_plugin.stats.results import MetricResult, PairComparison

#: A reference farther from the data than this share of their range is named instead of drawn.
ROOM = 0.45

Level = tuple[str, int | None, float]


def whole(item: MetricResult, lang: str) -> str:
    """Estimate, interval, percent with its denominator, adjusted p and N."""
    change = say("percent_of", lang, change=_change(item)) if np.isfinite(item.paired.percent_change) else ""
    parts = [_estimate(item, lang), change, _p(item, lang), f"N = {item.paired.n}"]
    return say("stop", lang).join(filter(None, parts))


def short(item: MetricResult, lang: str) -> str:
    """The same without what several arms share."""
    change = f"{_change(item)}%" if np.isfinite(item.paired.percent_change) else ""
    return say("stop", lang).join(filter(None, [_estimate(item, lang), change, _p(item, lang)]))


def _estimate(item: MetricResult, lang: str) -> str:
    unit = metric_unit(item.metric, lang)
    shown = with_interval(item.paired.mean_difference, item.paired.ci_low, item.paired.ci_high, lang)
    return attached(shown, unit)


def _change(item: MetricResult) -> str:
    width = item.paired.percent_ci_high - item.paired.percent_ci_low
    return percent(item.paired.percent_change, min(decimals_for(width), 1) if np.isfinite(width) else 1)


def _p(item: MetricResult, lang: str) -> str:
    if item.p_adjusted is None:
        return p_text(item.paired.p_value)
    return f"{say('adjusted', lang)} {p_text(item.p_adjusted)}"


def runs(item: MetricResult) -> tuple[Sequence[float], Sequence[float]] | None:
    """Mean over the crystals of each run, of the arm and of the baseline; None where each has one run."""
    of_arm, of_baseline = item.per_seed_arm, item.per_seed_baseline
    return (of_arm, of_baseline) if of_arm and of_baseline and len(of_arm) + len(of_baseline) > 2 else None


def guide_range(pair: PairComparison, item: MetricResult) -> tuple[float, float] | None:
    """The guide's expected range in the metric's own unit; None for arms it says nothing of."""
    expected = guide_percents(pair, item.metric)
    base = item.paired.mean_b
    if expected is None or not np.isfinite(base) or base <= 0:
        return None
    return expected[0] * base / 100, expected[1] * base / 100


def guide_percents(pair: PairComparison, metric: str) -> tuple[float, float] | None:
    """The guide's expected range in percent of the baseline's mean; None for arms it says nothing of."""
    return GUIDE_RANGES.get(metric) if is_about_middle_fusion(pair.arm, pair.baseline) else None


def levels(metric: str, samples: pd.DataFrame, found: Sequence[MetricResult]) -> list[Level]:
    """Reference values: (what, column of the arm or None for all of them, value)."""
    known: list[tuple[str, int | None, float | None]] = []
    if found:
        known.append(("uniform", None, found[0].uniform_mean))
        known.append(("reinitialised", 0, found[0].reinitialised_mean_b))
        known += [("reinitialised", k, m.reinitialised_mean_a) for k, m in enumerate(found, start=1)]
    elif "n_tokens" in samples:
        known.append(("uniform", None, _uniform(metric, samples["n_tokens"].to_numpy(float))))
    return [(key, column, value) for key, column, value in known if value is not None and np.isfinite(value)]


def near(value: float, low: float, high: float) -> bool:
    """Does a reference lie close enough to the data to be drawn?"""
    room = ROOM * (high - low)
    return low - room <= value <= high + room


def beyond(found: Sequence[Level], low: float, high: float, lang: str) -> str:
    """References that are not drawn, in words with an arrow; "" when all are."""
    named: dict[str, None] = {}
    for key, _, value in found:
        if not near(value, low, high):
            named[f"{say(key, lang)} {'↑' if value > high else '↓'} {fixed(value, 2)}"] = None
    return say("beyond", lang, what=say("comma", lang).join(named)) if named else ""


def _uniform(metric: str, n: np.ndarray) -> float:
    """The metric under uniform attention over n tokens, mean over crystals."""
    n = n[np.isfinite(n) & (n > 0)]
    if not len(n):
        return float("nan")
    return {
        "entropy": float(np.log(n).mean()),
        "effective_tokens_hill": float(n.mean()),
        "max_weight": float((1 / n).mean()),
        "gini": 0.0,
    }.get(metric, float("nan"))
