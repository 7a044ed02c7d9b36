"""The verdict as the page states it: one headline, four facts, one row a metric, one note a warning."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from crysmm_attn_plugin.catalogue import BY_NAME, TOKEN_CATEGORIES
from crysmm_attn_plugin.reports.alarm_texts import alarm_text
from crysmm_attn_plugin.reports.headline import WORDS
from crysmm_attn_plugin.reports.numbers import (
    decimals_for,
    fixed,
    format_interval,
    format_p,
)
from crysmm_attn_plugin.reports.tables import OUTCOMES, headline
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

Both = dict[str, str]

AXES = {
    "better": ("lower error", "误差更低"),
    "worse": ("higher error", "误差更高"),
    "indistinguishable": ("error indistinguishable", "误差无法区分"),
    "unknown": ("error unknown", "误差未知"),
}
CLAIMS = {
    "checkpoints": (
        "Only that these checkpoints differ, or do not, on crystals like these; nothing about the architecture.",
        "仅能说明这些检查点在此类晶体上是否不同，不涉及模型结构。",
    ),
    "estimates": (
        "Estimates with every run shown; not enough for a verdict on the architecture.",
        "仅为估计，列出每次训练，尚不足以对模型结构作出论断。",
    ),
    "verdict": (
        "A claim about the architecture: the seeds suffice and the arms differ in the fusion only.",
        "可对模型结构作出论断：种子数足够，且各组仅融合方式不同。",
    ),
    "none": ("Nothing: too few crystals for inference.", "不作论断：晶体数过少，无法推断。"),
}


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


@dataclass(frozen=True)
class VerdictView:
    """What the page prints for one pair of arms."""

    arm: str
    baseline: str
    sign: str
    word: Both
    sentence: Both
    facts: tuple[tuple[str, str, Both], ...]
    rows: tuple[Row, ...]
    zero: float
    ticks: tuple[tuple[float, str], ...]
    warnings: tuple[str, ...]


def verdict_view(result: ComparisonResult, pair: PairComparison) -> VerdictView:
    """The verdict of one pair."""
    sign, en, zh = WORDS[pair.verdict]
    primary = headline(pair, result)
    rows, ticks, zero = _chart(primary)
    return VerdictView(
        pair.arm,
        pair.baseline,
        sign,
        {"en": en, "zh": zh},
        _sentence(pair, primary),
        _facts(result, pair, primary),
        rows,
        zero,
        ticks,
        tuple(dict.fromkeys(pair.warnings)),
    )


def metric_label(metric: str, lang: str) -> str:
    """A metric's name, capitalised, as a label."""
    spec = BY_NAME.get(metric)
    if spec is not None:
        label = spec.label_en if lang == "en" else spec.label_zh
    else:
        category = TOKEN_CATEGORIES.get(metric.removeprefix("mass_"))
        label = category[lang == "zh"] if category else metric
    return label[:1].upper() + label[1:]


def notes(result: ComparisonResult) -> list[tuple[str, str, str]]:
    """(kind, English, Chinese) of every alarm and warning of the comparison as a whole."""
    raised: dict[tuple[str, str], list[str]] = {}
    for arm, alarm in [("", a) for a in result.alarms] + [(r.name, a) for r in result.arms for a in r.alarms]:
        arms = raised.setdefault((alarm_text(alarm, "en"), alarm_text(alarm, "zh")), [])
        if arm and arm not in arms:
            arms.append(arm)
    found = [
        ("alarm", f"{', '.join(arms)}: {en}", f"{'、'.join(arms)}：{zh}") if arms else ("alarm", en, zh)
        for (en, zh), arms in raised.items()
    ]
    found += [("warning", warning, f"运行记录（原文）：“{warning}”") for warning in result.warnings]
    return list(dict.fromkeys(found))


def _sentence(pair: PairComparison, primary: tuple[MetricResult, ...]) -> Both:
    en_a, en_b, zh_a, zh_b = pair.arm, pair.baseline, pair.arm, pair.baseline
    if pair.claim == "checkpoints":
        # without enough seeds the sentence is about these weights, not about the arms
        en_a, en_b = f"the {pair.arm} checkpoint", f"the {pair.baseline} checkpoint"
        zh_a, zh_b = f"{pair.arm} 检查点", f"{pair.baseline} 检查点"
    total = len(primary)
    count = {o: sum(m.outcome == o for m in primary) for o in OUTCOMES}
    s, o, d = count["supports"], count["opposes"], count["differs"]
    sentences: Mapping[str, tuple[str, str]] = {
        "supported": (
            f"Attention is more concentrated in {en_a} than in {en_b}, in all {total} primary metrics.",
            f"在全部 {total} 个主要指标上，{zh_a} 的注意力均比 {zh_b} 更集中。",
        ),
        "partial": (
            f"{s} of {total} primary metrics show more concentrated attention in {en_a} than in {en_b}; none shows less.",
            f"{total} 个主要指标中有 {s} 个显示 {zh_a} 的注意力比 {zh_b} 更集中，没有指标显示相反方向。",
        ),
        "contradicted": (
            f"All {total} primary metrics show less concentrated attention in {en_a} than in {en_b}."
            if o == total
            else f"{o} of {total} primary metrics show less concentrated attention in {en_a} than in {en_b}; none shows more.",
            f"全部 {total} 个主要指标均显示 {zh_a} 的注意力不如 {zh_b} 集中。"
            if o == total
            else f"{total} 个主要指标中有 {o} 个显示 {zh_a} 的注意力不如 {zh_b} 集中，没有指标显示更集中。",
        ),
        "partly_contradicted": (
            f"{o} of {total} primary metrics show less concentrated attention in {en_a} than in {en_b}; none shows more.",
            f"{total} 个主要指标中有 {o} 个显示 {zh_a} 的注意力不如 {zh_b} 集中，没有指标显示更集中。",
        ),
        "checkpoints_differ": (
            f"{d} of {total} primary metrics differ between {en_a} and {en_b}; nothing is said about the architectures.",
            f"{total} 个主要指标中有 {d} 个在 {zh_a} 与 {zh_b} 之间不同；不涉及模型结构。",
        ),
        "checkpoints_alike": (
            f"{en_a} and {en_b} differ by less than the smallest effect of interest, in all {total} primary metrics.",
            f"在全部 {total} 个主要指标上，{zh_a} 与 {zh_b} 的差异均小于最小关注效应。",
        ),
        "estimates_only": (
            f"Estimates of the {total} primary metrics; too few runs of {en_a} and {en_b} for a verdict.",
            f"{total} 个主要指标仅为估计；{zh_a} 与 {zh_b} 的训练次数不足以作出判定。",
        ),
        "conflicting": (
            f"Of {total} primary metrics, {s} show more and {o} less concentrated attention in {en_a} than in {en_b}.",
            f"{total} 个主要指标中，{s} 个显示 {zh_a} 的注意力比 {zh_b} 更集中，{o} 个显示更分散。",
        ),
        "negligible": (
            f"Attention in {en_a} and {en_b} differs by less than the smallest effect of interest, in all {total} primary "
            "metrics.",
            f"在全部 {total} 个主要指标上，{zh_a} 与 {zh_b} 的差异均小于最小关注效应。",
        ),
        "inconclusive": (
            f"Neither a difference between {en_a} and {en_b} nor equivalence was established.",
            f"{zh_a} 与 {zh_b} 之间既未检出差异，也未通过等效性检验。",
        ),
        "not_tested": (
            f"{pair.n} paired crystals are too few to compare {en_a} with {en_b}.",
            f"仅有 {pair.n} 个配对晶体，不足以比较 {zh_a} 与 {zh_b}。",
        ),
    }
    en, zh = sentences[pair.verdict]
    # no space between Han characters
    return {"en": en, "zh": re.sub(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", "", zh)}


def _facts(
    result: ComparisonResult, pair: PairComparison, primary: tuple[MetricResult, ...]
) -> tuple[tuple[str, str, Both], ...]:
    """(key of the label, big text, small text) of each fact."""
    facts: list[tuple[str, Both | str, Both]] = []
    entropy = next((m for m in primary if m.metric == "entropy"), None)
    level = f"{100 * (1 - result.alpha):g}"
    if entropy is not None:
        p = entropy.paired
        decimals = decimals_for(p.ci_high - p.ci_low)
        big = f"{fixed(p.mean_difference, decimals, sign=True)} {BY_NAME['entropy'].unit}"
        small = {
            lang: _joined(
                lang,
                f"{level}% {'CI' if lang == 'en' else '置信区间'} {format_interval(p.ci_low, p.ci_high, lang=lang)}",
                f"{'adjusted ' if lang == 'en' else '校正后 '}{format_p(entropy.p_adjusted)}",
                f"{fixed(p.percent_change, 1, sign=True)}% of the baseline's mean"
                if lang == "en"
                else f"相对基线均值 {fixed(p.percent_change, 1, sign=True)}%",
            )
            for lang in ("en", "zh")
        }
        facts.append(("fact_headline", big, small))
    seeds = {a.name: a.n_seeds for a in result.arms}
    k, k_baseline = seeds.get(pair.arm, 1), seeds.get(pair.baseline, 1)
    if k == k_baseline:
        counts = {"en": f"{k} checkpoint{'s' if k > 1 else ''} per arm", "zh": f"每组 {k} 个检查点"}
    else:
        counts = {"en": f"{k} and {k_baseline} checkpoints", "zh": f"检查点 {k} 个与 {k_baseline} 个"}
    facts.append(
        (
            "fact_n",
            f"N = {pair.n}",
            {
                "en": f"{result.split} split; {counts['en']}",
                "zh": f"{result.split} 划分；{counts['zh']}",
            },
        )
    )
    facts.append(
        (
            "fact_error",
            {k: AXES[pair.performance.axis][k == "zh"] for k in ("en", "zh")},
            _error(result, pair),
        )
    )
    few = min(k, k_baseline)
    seeds_text = {"en": f"{few} seed{'s' if few > 1 else ''} per arm", "zh": f"每组 {few} 个种子"}
    facts.append(("fact_claim", seeds_text, {k: CLAIMS[pair.claim][k == "zh"] for k in ("en", "zh")}))
    return tuple((key, big, small) for key, big, small in facts)  # type: ignore[misc]


def _error(result: ComparisonResult, pair: PairComparison) -> Both:
    e = pair.performance
    if e.mae_arm is None or e.mae_baseline is None:
        return {"en": "No predictions were captured.", "zh": "未采集到预测值。"}
    if e.ci_low is not None and e.ci_high is not None:
        decimals = decimals_for(e.ci_high - e.ci_low)
    else:
        decimals = 3
    unit = f" {result.unit}" if result.unit else ""
    out = {}
    for lang in ("en", "zh"):
        parts = [
            f"MAE {fixed(e.mae_arm, decimals)} {'against' if lang == 'en' else '对'} "
            f"{fixed(e.mae_baseline, decimals)}{unit}",
            f"{'difference' if lang == 'en' else '差值'} {fixed(e.difference, decimals, sign=True)}"
            + (f" {_bracketed(e.ci_low, e.ci_high, lang)}" if e.ci_low is not None else ""),
        ]
        if e.p_value is not None:
            parts.append(format_p(e.p_value))
        out[lang] = _joined(lang, *parts)
    return out


def _bracketed(low: float | None, high: float | None, lang: str) -> str:
    shown = format_interval(low, high, lang=lang)
    return f"({shown})" if lang == "en" else shown


def _percent_interval(low: float, high: float, lang: str) -> str:
    if not math.isfinite(low + high):
        return "–"
    decimals = min(decimals_for(high - low), 2)
    first, second = f"{fixed(low, decimals)}%", f"{fixed(high, decimals)}%"
    return f"{first} to {second}" if lang == "en" else f"[{first}, {second}]"


def _joined(lang: str, *parts: str) -> str:
    # a symbol, its relation and its value stay on one line
    return ("; " if lang == "en" else "；").join(
        re.sub(r"p ([=<]) ", "p\u00a0\\1\u00a0", part) for part in parts
    )


def _chart(
    primary: tuple[MetricResult, ...],
) -> tuple[tuple[Row, ...], tuple[tuple[float, str], ...], float]:
    values = [0.0]
    for m in primary:
        p = m.paired
        values += [v for v in (p.percent_change, p.percent_ci_low, p.percent_ci_high) if math.isfinite(v)]
        if m.sesoi_percent:
            values += [-m.sesoi_percent * 1.3, m.sesoi_percent * 1.3]
    low, high = min(values), max(values)
    margin = 0.06 * ((high - low) or 1.0)
    low, high = low - margin, high + margin

    def at(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(100 * (value - low) / (high - low), 2)

    rows = []
    for m in primary:
        p = m.paired
        band = (at(-m.sesoi_percent), at(m.sesoi_percent)) if m.sesoi_percent else None
        rows.append(
            Row(
                {lang: metric_label(m.metric, lang) for lang in ("en", "zh")},
                f"{fixed(p.percent_change, 1, sign=True)}%" if math.isfinite(p.percent_change) else "–",
                {lang: _percent_interval(p.percent_ci_low, p.percent_ci_high, lang) for lang in ("en", "zh")},
                format_p(m.p_adjusted),
                {lang: OUTCOMES[m.outcome][lang == "zh"] for lang in ("en", "zh")},
                m.expected_sign,
                at(p.percent_ci_low),
                at(p.percent_change),
                at(p.percent_ci_high),
                band,  # type: ignore[arg-type]
            )
        )
    step = _step(high - low)
    first = math.ceil(low / step)
    ticks = tuple(
        (at(k * step) or 0.0, f"{fixed(k * step, 0 if step >= 1 else 1, sign=True)}%")
        for k in range(first, math.floor(high / step) + 1)
    )
    return tuple(rows), ticks, at(0.0) or 0.0


def _step(span: float) -> float:
    rough = span / 6
    power = 10 ** math.floor(math.log10(rough))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
