"""What a paragraph may say about the numbers of one pair of arms: decisions and numbers as text, taken from the result.

Templates hold the words; this module holds every choice that depends on a number: which way a metric went, whether it
is established, how large the error is. Nothing is computed here but counts and ranges of the result's own fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.arm_names import arm_label
from crysmm_attn_plugin.reports.numbers import fixed, format_effect, format_number, format_percent
from crysmm_attn_plugin.reports.prose.property_names import unit_name
from crysmm_attn_plugin.reports.prose.wording import FOLD_FROM, Style, Wording, bare, capital
from crysmm_attn_plugin.stats.results import (
    ArmSummary,
    ComparisonResult,
    CouplingResult,
    MetricResult,
    PairComparison,
)

__all__ = ["Style", "Wording", "arm_label", "capital"]

Kind = Literal["supports", "opposes", "differs", "small", "equivalent", "undetected", "estimate"]

#: Outcomes that a sentence says as they are.
_TOLD: dict[str, Kind] = {
    "supports": "supports",
    "opposes": "opposes",
    "differs": "differs",
    "estimate": "estimate",
}
#: Metrics as a sentence calls them.
_NAMES = {
    "max_weight": "the maximum weight",
    "effective_tokens_hill": "the effective number of tokens",
    "gini": "the Gini coefficient",
}
#: A change that falls and one that rises, per metric; ``{size}`` is empty where no percent is defined.
_FALLS, _RISES = ("{size} lower", "降低 {size}"), ("{size} higher", "升高 {size}")
_CHANGES = {
    "effective_tokens_hill": (("{size} lower", "减少 {size}"), ("{size} higher", "增加 {size}")),
    "max_weight": (_FALLS, ("{size} higher", "提高 {size}")),
}
_ADJUSTMENTS = {
    "step-down max-T": "逐步 max-T 法",
    "Holm": "Holm 法",
    "Benjamini-Hochberg": "Benjamini-Hochberg 法",
}


def adjustment_name(adjustment: str, lang: str) -> str:
    """A correction for multiple tests as prose calls it."""
    return language.say(adjustment, _ADJUSTMENTS.get(adjustment, adjustment), lang)


@dataclass(frozen=True)
class MetricFact:
    """One primary metric of one pair, ready to be put in a sentence.

    Attributes:
        change: ``23.6% lower``, ``3.2-fold that of the baseline``, or the word alone where no percent is defined.
        sign: Sign of the difference at the precision printed; 0 when it rounds away.
        disagreement: ``p_only``, ``interval_only`` or nothing.
        runs_a, runs_b: Every run's mean.
    """

    metric: str
    label: str
    kind: Kind
    sign: int
    predicted: int
    change: str
    difference: str
    unit: str
    interval: str
    p: str
    g: str
    p_tost: str
    sesoi: str
    mean_a: str
    mean_b: str
    uniform: str
    undefined: str
    disagreement: str
    break_even: str
    break_even_percent: str
    seed_p: str
    seed_p_smallest: str
    prediction: str
    runs_a: str
    runs_b: str
    detectable_percent: str
    beyond: bool
    sesoi_source: str


def metric_fact(m: MetricResult, w: Wording, alpha: float) -> MetricFact:
    """The facts of one metric; the words for its direction come from its sign alone."""
    r = m.paired
    width = r.ci_high - r.ci_low
    p = m.p_adjusted if m.p_adjusted is not None else r.p_value
    change, sign = _change(m, w)
    return MetricFact(
        metric=m.metric,
        label=metric_phrase(m.metric, w.lang),
        kind=kind_of(m, alpha),
        sign=sign,
        predicted=m.expected_sign,
        change=change,
        difference=format_number(r.mean_difference, r.ci_low, r.ci_high),
        unit=unit_of(m.metric, w.lang),
        interval=w.interval(r.ci_low, r.ci_high),
        p=w.p(p),
        g=format_effect(r.g_z, style=w.style) if math.isfinite(r.g_z) else "",
        p_tost=w.p(m.p_tost) if m.p_tost is not None else "",
        sesoi=_percent(m.sesoi_percent),
        mean_a=format_number(r.mean_a, r.ci_low, r.ci_high),
        mean_b=format_number(r.mean_b, r.ci_low, r.ci_high),
        uniform=format_number(m.uniform_mean, r.ci_low, r.ci_high) if m.uniform_mean is not None else "",
        undefined=r.percent_undefined,
        disagreement=m.disagreement,
        break_even=format_number(m.break_even_run_sd) if m.break_even_run_sd is not None else "",
        break_even_percent=w.percent(m.break_even_run_percent)
        if m.break_even_run_percent is not None
        else "",
        seed_p=w.p(m.seed_p) if m.seed_p is not None else "",
        seed_p_smallest=w.p(m.seed_p_smallest).split(" ")[-1] if m.seed_p_smallest is not None else "",
        prediction=w.interval(m.prediction_low, m.prediction_high) if m.prediction_low is not None else "",
        runs_a=w.numbers(m.per_seed_arm, width),
        runs_b=w.numbers(m.per_seed_baseline, width),
        detectable_percent=w.percent(m.detectable_percent) if m.detectable_percent is not None else "",
        beyond=m.beyond_sesoi,
        sesoi_source=m.sesoi_source,
    )


def _change(m: MetricResult, w: Wording) -> tuple[str, int]:
    r = m.paired
    percent, low, high = r.percent_change, r.percent_ci_low, r.percent_ci_high
    known = math.isfinite(percent)
    shown = (
        w.percent(abs(percent), low, high) if known else format_number(r.mean_difference, r.ci_low, r.ci_high)
    )
    sign = 0 if not any(c in "123456789" for c in shown) else 1 if r.mean_difference > 0 else -1
    if sign == 0:
        return w.say("the same at the precision reported", "在所报精度内无变化"), 0
    if known and percent >= FOLD_FROM:
        return w.say(
            "{fold} that of the baseline", "为基线组的 {fold}", fold=w.fold(percent, low, high)
        ), sign
    words = w.pick(_CHANGES.get(m.metric, (_FALLS, _RISES))[sign > 0])
    return words.format(size=shown if known else "").strip(), sign


def _percent(value: float | None) -> str:
    return "" if value is None else format_percent(value, 0 if float(value).is_integer() else 1)


def metric_phrase(metric: str, lang: str) -> str:
    """A metric as a sentence calls it, with its article where the language has one."""
    named = _NAMES.get(metric)
    if named is None:
        return language.metric_label(metric, lang)
    return language.pick({**BY_NAME[metric].labels, language.SOURCE: named}, lang)


def unit_of(metric: str, lang: str) -> str:
    """The unit behind a metric's number, empty where its name says it ("effective tokens")."""
    spec = BY_NAME.get(metric)
    return "" if spec is None or spec.unit == "tokens" else language.metric_unit(metric, lang)


def kind_of(m: MetricResult, alpha: float) -> Kind:
    """What may be said of a metric: its outcome, with detectable-but-small and equivalent told apart."""
    told = _TOLD.get(m.outcome)
    if told is not None:
        return told
    if m.p_adjusted is not None and m.p_adjusted < alpha and not m.disagreement:
        return "small"
    return "equivalent" if m.equivalent else "undetected"


@dataclass(frozen=True)
class ErrorFacts:
    """Predictive performance as text; empty strings where a number is not available.

    ``difference_unit`` is percentage points where the property itself is in percent.
    """

    axis: str
    n: int
    mae_a: str
    mae_b: str
    unit: str
    difference: str
    difference_unit: str
    interval: str
    p: str
    gain: str
    gain_interval: str
    runs_a: str
    runs_b: str
    sd_a: str
    sd_b: str
    break_even: str
    break_even_percent: str
    sign: int
    disagree: bool


def error_unit(unit: str, w: Wording) -> str:
    """The unit of a difference of errors: percentage points where the property itself is in percent."""
    return w.say("percentage points", "个百分点") if unit == "%" else unit_name(unit, w.lang)


def _one(metric: str, w: Wording) -> str:
    """One unit of a metric, as a slope names it."""
    unit = BY_NAME[metric].unit if metric in BY_NAME else ""
    one = {"nats": w.say("nat", "奈特"), "tokens": "token"}
    return one.get(unit, w.say("unit", "单位"))


def error_facts(result: ComparisonResult, pair: PairComparison, w: Wording) -> ErrorFacts:
    """MAE of both arms, their gap, and the gain with its denominator."""
    e = pair.performance
    width = e.ci_high - e.ci_low if e.ci_low is not None and e.ci_high is not None else None

    def text(value: float | None) -> str:
        return format_number(value, e.ci_low, e.ci_high) if value is not None else ""

    def spread(name: str) -> str:
        arm = arm_of(result, name)
        return format_number(arm.mae_sd) if arm and arm.mae_sd is not None else ""

    low, high = e.relative_gain_ci_low, e.relative_gain_ci_high
    return ErrorFacts(
        axis=e.axis,
        n=e.n,
        mae_a=text(e.mae_arm),
        mae_b=text(e.mae_baseline),
        unit=unit_name(result.unit, w.lang),
        difference=text(e.difference),
        difference_unit=error_unit(result.unit, w),
        interval=w.interval(e.ci_low, e.ci_high) if e.ci_low is not None else "",
        p=w.p(e.p_value) if e.p_value is not None else "",
        gain=w.percent(e.relative_gain, low, high) if e.relative_gain is not None else "",
        gain_interval=w.percent_interval(low, high),
        runs_a=w.numbers(e.per_seed_mae_arm, width) if len(e.per_seed_mae_arm) > 1 else "",
        runs_b=w.numbers(e.per_seed_mae_baseline, width) if len(e.per_seed_mae_baseline) > 1 else "",
        sd_a=spread(pair.arm),
        sd_b=spread(pair.baseline),
        break_even=format_number(e.break_even_seed_sd) if e.break_even_seed_sd is not None else "",
        break_even_percent=w.percent(e.break_even_percent) if e.break_even_percent is not None else "",
        sign=0 if not e.difference else 1 if e.difference > 0 else -1,
        disagree=bool(e.disagreement)
        or (e.axis == "indistinguishable" and e.p_value is not None and e.p_value < result.alpha),
    )


@dataclass(frozen=True)
class CouplingFact:
    """Change in a metric against change in error; the regression always beside the correlation."""

    label: str
    n: int
    rho: str
    interval: str
    p: str
    coefficient: str
    coefficient_unit: str
    coefficient_interval: str
    coefficient_p: str
    ceiling: str
    co_varied: bool


def coupling_fact(c: CouplingResult, unit: str, w: Wording) -> CouplingFact:
    """One metric's coupling as text; its slope is in units of the error for one unit of the metric."""
    known = c.coefficient is not None and c.coefficient_p is not None
    return CouplingFact(
        label=metric_phrase(c.metric, w.lang),
        n=c.n,
        rho=w.rho(c.spearman),
        interval=w.rho_interval(c.ci_low, c.ci_high),
        p=w.p(c.p_value),
        coefficient=format_number(c.coefficient, c.coefficient_ci_low, c.coefficient_ci_high)
        if known
        else "",
        coefficient_unit=w.say(
            "{error} per {one}", "{error}/{one}", error=error_unit(unit, w), one=_one(c.metric, w)
        ).strip(),
        coefficient_interval=w.interval(c.coefficient_ci_low, c.coefficient_ci_high)
        if known and c.coefficient_ci_low is not None
        else "",
        coefficient_p=w.p(c.coefficient_p) if known else "",
        ceiling=fixed(c.ceiling, 2) if c.ceiling is not None and math.isfinite(c.ceiling) else "",
        co_varied=c.co_varied,
    )


def arm_of(result: ComparisonResult, name: str) -> ArmSummary | None:
    """The summary of an arm, or None."""
    return next((a for a in result.arms if a.name == name), None)


def select(facts: Sequence[MetricFact], *kinds: Kind) -> list[MetricFact]:
    """The facts of some kinds, in the catalogue's order."""
    return [f for f in facts if f.kind in kinds]


FILTERS: dict[str, Callable[..., str]] = {"capital": capital, "bare": bare}
