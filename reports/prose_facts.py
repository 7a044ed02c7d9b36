"""What a paragraph may say about one pair of arms: decisions and numbers as text, taken from the result.

Templates hold the words; this module holds every choice that depends on a number: which way a metric went, whether it
is established, which readings agree. Nothing is computed here but counts and ranges of the result's own fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.reports.numbers import (
    decimals_for,
    fixed,
    format_effect,
    format_interval,
    format_number,
    format_p,
    format_percent,
)
from crysmm_attn_plugin.stats.results import (
    ArmSummary,
    ComparisonResult,
    CouplingResult,
    MetricResult,
    PairComparison,
)

Lang = Literal["en", "zh"]
Style = Literal["nature", "apa", "gbt"]
Kind = Literal["supports", "opposes", "small", "equivalent", "undetected"]

#: Names that the guide gives its two arms.
ARM_NAMES = {
    "full": ("full model", "全模态模型"),
    "no_middle": ("model without middle fusion", "无中期融合模型"),
    "no-middle": ("model without middle fusion", "无中期融合模型"),
}
#: Metrics as a sentence calls them.
_NAMES_EN = {
    "max_weight": "the maximum weight",
    "effective_tokens_hill": "the effective number of tokens",
    "gini": "the Gini coefficient",
}
#: (falls, rises) per metric
_WORDS_ZH = {"effective_tokens_hill": ("减少", "增加"), "max_weight": ("降低", "提高")}


@dataclass(frozen=True)
class Wording:
    """Numbers as text in one language and style."""

    lang: Lang
    style: Style

    @property
    def italic(self) -> bool:
        return self.style in ("apa", "gbt")

    def symbol(self, name: str) -> str:
        """A statistic's symbol, in italics where the style asks for it."""
        return f"*{name}*" if self.italic else name

    def p(self, value: float | None) -> str:
        """``p = 0.012``."""
        return format_p(value, lang=self.lang, style=self.style, name=self.symbol("p"))

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval, at the precision of its width."""
        return self._ranged(format_interval(low, high, lang=self.lang, style=self.style))

    def percent(self, value: float | None, low: float | None = None, high: float | None = None) -> str:
        """Percent with its sign."""
        decimals = None
        if low is not None and high is not None and math.isfinite(high - low):
            decimals = min(max(decimals_for(high - low), 0 if abs(value or 0) >= 100 else 1), 3)
        return format_percent(value, decimals, lang=self.lang)

    def rho(self, value: float | None) -> str:
        """A correlation: two decimals, without the leading zero in APA."""
        text = fixed(value, 2)
        return text.replace("0.", ".", 1) if self.style == "apa" else text

    def rho_interval(self, low: float, high: float) -> str:
        """An interval of a correlation."""
        first, second = self.rho(low), self.rho(high)
        if self.style == "nature" and self.lang == "en":
            return f"{first} to {second}"
        return self._ranged(f"[{first}, {second}]")

    def _ranged(self, text: str) -> str:
        # GB/T 15835: a wave dash between the ends of a range
        if self.style == "gbt" and self.lang == "zh" and text.startswith("["):
            return text[1:-1].replace(", ", "~")
        return text

    def several_p(self, values: Sequence[float]) -> str:
        """One p-value for all when they read alike, else all of them."""
        texts = list(dict.fromkeys(self.p(v) for v in values))
        return (", " if self.lang == "en" else "、").join(
            texts if len(texts) == 1 else [self.p(v) for v in values]
        )

    def join(self, items: Sequence[str], last: str = "") -> str:
        """``a, b and c`` / ``a、b和c``."""
        items = list(items)
        if len(items) < 2:
            return "".join(items)
        if self.lang == "zh":
            return "、".join(items[:-1]) + "和" + items[-1]
        return ", ".join(items[:-1]) + f" {last or 'and'} " + items[-1]

    def count(self, n: int) -> str:
        """A small count as a word (English)."""
        return count(n) if self.lang == "en" else str(n)


def count(n: int) -> str:
    """``three``; from ten on in digits."""
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[n] if n < len(words) else str(n)


def arm_label(name: str, lang: Lang) -> str:
    """An arm as prose calls it: the guide's two by their names, others as ``x model``."""
    if name in ARM_NAMES:
        return ARM_NAMES[name][lang == "zh"]
    shown = " ".join(str(name).split()) or "?"
    return f"{shown} model" if lang == "en" else f"{shown}模型"


@dataclass(frozen=True)
class MetricFact:
    """One primary metric of one pair, ready to be put in a sentence."""

    metric: str
    label: str
    kind: Kind
    sign: int
    size: str
    word: str
    difference: str
    unit: str
    interval: str
    df: str
    p: str
    g: str
    p_tost: str
    sesoi: str
    mean_a: str
    mean_b: str
    uniform: str
    has_percent: bool


def metric_fact(m: MetricResult, w: Wording, alpha: float) -> MetricFact:
    """The facts of one metric; the words for its direction come from its sign alone."""
    spec, r = BY_NAME.get(m.metric), m.paired
    zh = w.lang == "zh"
    label = metric_label(m.metric, w.lang)
    has_percent = math.isfinite(r.percent_change)
    size = w.percent(abs(r.percent_change), r.percent_ci_low, r.percent_ci_high) if has_percent else ""
    shown = size if has_percent else format_number(r.mean_difference, r.ci_low, r.ci_high)
    sign = 0 if not any(c in "123456789" for c in shown) else 1 if r.mean_difference > 0 else -1
    falls, rises = _WORDS_ZH.get(m.metric, ("降低", "升高")) if zh else ("lower", "higher")
    p = m.p_adjusted if m.p_adjusted is not None else r.p_value
    several = max(r.n_seeds_a, r.n_seeds_b) > 1
    return MetricFact(
        metric=m.metric,
        label=label,
        kind=kind_of(m, alpha),
        sign=sign,
        size=size,
        word=rises if sign > 0 else falls,
        difference=format_number(r.mean_difference, r.ci_low, r.ci_high),
        unit=(spec.unit if spec else "").replace("tokens", ""),
        interval=w.interval(r.ci_low, r.ci_high),
        df=fixed(r.df, 1) if several and math.isfinite(r.df) else "",
        p=w.p(p),
        g=format_effect(r.g_z, style=w.style) if math.isfinite(r.g_z) else "",
        p_tost=w.p(m.p_tost) if m.p_tost is not None else "",
        sesoi=format_percent(m.sesoi_percent, 0 if float(m.sesoi_percent).is_integer() else 1)
        if m.sesoi_percent is not None
        else "",
        mean_a=format_number(r.mean_a, r.ci_low, r.ci_high),
        mean_b=format_number(r.mean_b, r.ci_low, r.ci_high),
        uniform=format_number(m.uniform_mean, r.ci_low, r.ci_high) if m.uniform_mean is not None else "",
        has_percent=has_percent,
    )


def metric_label(metric: str, lang: Lang) -> str:
    """A metric as a sentence calls it."""
    spec = BY_NAME.get(metric)
    if spec is None:
        return metric.replace("_", " ")
    return spec.label_zh if lang == "zh" else _NAMES_EN.get(metric, spec.label_en)


def kind_of(m: MetricResult, alpha: float) -> Kind:
    """What may be said of a metric: its outcome, with detectable-but-small and equivalent told apart."""
    if m.outcome in ("supports", "opposes"):
        return m.outcome
    if m.outcome == "differs":
        return "supports" if m.paired.mean_difference * m.expected_sign > 0 else "opposes"
    if m.outcome == "estimate":
        return "undetected"
    if m.p_adjusted is not None and m.p_adjusted < alpha:
        return "small"
    return "equivalent" if m.equivalent else "undetected"


@dataclass(frozen=True)
class Reading:
    """The primary family read in another way: without special tokens, or without stop words too."""

    scope: str
    agreeing: int
    total: int
    changes: str


@dataclass(frozen=True)
class SensitivityFacts:
    """What other readings of the same data say."""

    readings: tuple[Reading, ...]
    p_cluster: str
    n_clusters: int | None
    classical_agreeing: int | None
    classical_total: int
    n_specifications: int
    same_sign: int


def sensitivity(
    pair: PairComparison, primary: Sequence[MetricResult], w: Wording, alpha: float
) -> SensitivityFacts:
    """Agreement of other readings with the primary one."""
    direction = primary[0].direction if primary else "atom_to_text"
    readings = []
    for scope in ("without_special", "without_stopwords"):
        others = {m.metric: m for m in pair.primary(direction, scope)}
        both = [(m, others[m.metric]) for m in primary if m.metric in others]
        if both:
            changes = [
                w.percent(o.paired.percent_change) for _, o in both if math.isfinite(o.paired.percent_change)
            ]
            agreeing = sum(_conclusion(m, alpha) == _conclusion(o, alpha) for m, o in both)
            readings.append(Reading(scope, agreeing, len(both), w.join(changes)))
    clusters = [m for m in primary if m.p_cluster is not None]
    single = all(max(m.paired.n_seeds_a, m.paired.n_seeds_b) == 1 for m in primary)
    classical: int | None = None
    if single and primary:
        classical = sum(
            (m.paired.p_value < alpha) == (m.paired.p_t < alpha) == (m.paired.p_wilcoxon < alpha)
            for m in primary
        )
    rows = [s for s in pair.specifications if s.direction == direction and math.isfinite(s.percent_change)]
    reported = {m.metric: m.paired.mean_difference for m in primary}
    rows = [s for s in rows if s.metric in reported]
    return SensitivityFacts(
        readings=tuple(readings),
        p_cluster=w.several_p([float(m.p_cluster) for m in clusters if m.p_cluster is not None]),
        n_clusters=clusters[0].n_clusters if clusters else None,
        classical_agreeing=classical,
        classical_total=len(primary),
        n_specifications=len(rows),
        same_sign=sum((s.mean_difference > 0) == (reported[s.metric] > 0) for s in rows),
    )


def _conclusion(m: MetricResult, alpha: float) -> tuple[Kind, int]:
    kind = kind_of(m, alpha)
    detected = kind in ("supports", "opposes", "small")
    return kind, (1 if m.paired.mean_difference > 0 else -1) if detected else 0


@dataclass(frozen=True)
class ErrorFacts:
    """Predictive performance as text; empty strings where a number is not available."""

    axis: str
    n: int
    mae_a: str
    mae_b: str
    unit: str
    difference: str
    interval: str
    p: str
    gain: str
    gain_interval: str
    sd_a: str
    sd_b: str
    break_even: str
    break_even_percent: str
    sign: int
    disagree: bool


def error_facts(result: ComparisonResult, pair: PairComparison, w: Wording) -> ErrorFacts:
    """MAE of both arms, their gap, and the gain with its denominator."""
    e = pair.performance

    def text(value: float | None) -> str:
        return format_number(value, e.ci_low, e.ci_high) if value is not None else ""

    def spread(name: str) -> str:
        arm = arm_of(result, name)
        return format_number(arm.mae_sd) if arm and arm.mae_sd is not None else ""

    def percent(value: float | None) -> str:
        return w.percent(value, e.relative_gain_ci_low, e.relative_gain_ci_high) if value is not None else ""

    interval = ""
    if e.relative_gain_ci_low is not None and e.relative_gain_ci_high is not None:
        low, high = percent(e.relative_gain_ci_low), percent(e.relative_gain_ci_high)
        if w.lang == "zh":
            interval = f"{low}~{high}" if w.style == "gbt" else f"[{low}, {high}]"
        else:
            interval = f"{low} to {high}" if w.style == "nature" else f"[{low}, {high}]"
    return ErrorFacts(
        axis=e.axis,
        n=e.n,
        mae_a=text(e.mae_arm),
        mae_b=text(e.mae_baseline),
        unit=result.unit,
        difference=text(e.difference),
        interval=w.interval(e.ci_low, e.ci_high) if e.ci_low is not None else "",
        p=w.p(e.p_value) if e.p_value is not None else "",
        gain=percent(e.relative_gain),
        gain_interval=interval,
        sd_a=spread(pair.arm),
        sd_b=spread(pair.baseline),
        break_even=format_number(e.break_even_seed_sd) if e.break_even_seed_sd is not None else "",
        break_even_percent=w.percent(e.break_even_percent) if e.break_even_percent is not None else "",
        sign=0 if not e.difference else 1 if e.difference > 0 else -1,
        disagree=e.axis == "indistinguishable" and e.p_value is not None and e.p_value < result.alpha,
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
    coefficient_interval: str
    coefficient_p: str
    ceiling: str
    co_varied: bool


def coupling_fact(c: CouplingResult, w: Wording) -> CouplingFact:
    """One metric's coupling as text."""
    known = c.coefficient is not None and c.coefficient_p is not None
    return CouplingFact(
        label=metric_label(c.metric, w.lang),
        n=c.n,
        rho=w.rho(c.spearman),
        interval=w.rho_interval(c.ci_low, c.ci_high),
        p=w.p(c.p_value),
        coefficient=format_number(c.coefficient, c.coefficient_ci_low, c.coefficient_ci_high)
        if known
        else "",
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


def capital(text: str) -> str:
    """First letter as a capital."""
    return text[:1].upper() + text[1:]


def bare(text: str) -> str:
    """Without a leading article."""
    return text.removeprefix("the ")


FILTERS: dict[str, Callable[..., str]] = {"capital": capital, "bare": bare}
