"""The verdict as the page states it: one headline, its facts, one row a metric, one note a warning."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.alarm_texts import alarm_text
from crysmm_attn_plugin.reports.figures.arms import label
from crysmm_attn_plugin.reports.language import known, marks, metric_unit, pick, say
from crysmm_attn_plugin.reports.numbers import (
    fixed,
    format_interval,
    format_p,
    interval_decimals,
)
from crysmm_attn_plugin.reports.page.alignment import alignment_facts
from crysmm_attn_plugin.reports.page.chart import Both, Chart, chart, signed_percent
from crysmm_attn_plugin.reports.prose.headline import WORDS
from crysmm_attn_plugin.reports.prose.property_names import split_name, unit_name
from crysmm_attn_plugin.reports.prose.wording import joined
from crysmm_attn_plugin.reports.tables import OUTCOMES, verdict_metrics
from crysmm_attn_plugin.stats.results import (
    ComparisonResult,
    MetricResult,
    PairComparison,
    PairedResult,
)
from crysmm_attn_plugin.stats.verdict import guides_hypothesis

AXES = {
    "better": ("lower", "更低"),
    "worse": ("higher", "更高"),
    "indistinguishable": ("indistinguishable", "无法区分"),
    "unknown": ("unknown", "未知"),
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
CHECKPOINT_OF = ("the checkpoint of the {arm}", "{arm}检查点")
ARM_OF = ("the {arm}", "{arm}")
SENTENCES: dict[str, tuple[str, str]] = {
    "supported": (
        "Attention is more concentrated in {arm} than in {baseline}, in all {total} primary metrics.",
        "在全部 {total} 个主要指标上，{arm}的注意力均比{baseline}更集中。",
    ),
    "partial": (
        "{n_supports} of {total} primary metrics {show} more concentrated attention in {arm} than in {baseline}; none "
        "shows less.",
        "{total} 个主要指标中有 {n_supports} 个显示{arm}的注意力比{baseline}更集中，没有指标显示相反方向。",
    ),
    "contradicted": (
        "All {total} primary metrics show less concentrated attention in {arm} than in {baseline}.",
        "全部 {total} 个主要指标均显示{arm}的注意力不如{baseline}集中。",
    ),
    "partly_contradicted": (
        "{n_opposes} of {total} primary metrics {show_less} less concentrated attention in {arm} than in {baseline}; none "
        "shows more.",
        "{total} 个主要指标中有 {n_opposes} 个显示{arm}的注意力不如{baseline}集中，没有指标显示更集中。",
    ),
    "conflicting": (
        "Of {total} primary metrics, {n_supports} show more and {n_opposes} less concentrated attention in {arm} than "
        "in {baseline}.",
        "{total} 个主要指标中，{n_supports} 个显示{arm}的注意力比{baseline}更集中，{n_opposes} 个显示更分散。",
    ),
    "negligible": (
        "Attention in {arm} and {baseline} differs by less than the smallest effect of interest, in all {total} "
        "primary metrics.",
        "在全部 {total} 个主要指标上，{arm}与{baseline}的差异均小于最小关注效应。",
    ),
    "inconclusive": (
        "Neither a difference between {arm} and {baseline} nor equivalence was established.",
        "{arm}与{baseline}之间既未检出差异，也未通过等效性检验。",
    ),
    "checkpoints_differ": (
        "{n_differs} of {total} primary metrics {differ} between {arm} and {baseline}; nothing is said about the "
        "architectures.",
        "{total} 个主要指标中有 {n_differs} 个在{arm}与{baseline}之间不同；不涉及模型结构。",
    ),
    "checkpoints_alike": (
        "{arm} and {baseline} differ by less than the smallest effect of interest, in all {total} primary metrics.",
        "在全部 {total} 个主要指标上，{arm}与{baseline}的差异均小于最小关注效应。",
    ),
    "estimates_only": (
        "Estimates of the {total} primary metrics; too few runs of {arm} and {baseline} for a verdict.",
        "{total} 个主要指标仅为估计；{arm}与{baseline}的训练次数不足以作出判定。",
    ),
    "not_tested": (
        "{n} paired crystals are too few to compare {arm} with {baseline}.",
        "仅有 {n} 个配对晶体，不足以比较{arm}与{baseline}。",
    ),
}
#: The same where other directions than the guide's were declared.
PREDICTED: dict[str, tuple[str, str]] = {
    "supported": (
        "All {total} primary metrics change in {arm} as predicted, against {baseline}.",
        "与{baseline}相比，{arm}的全部 {total} 个主要指标均符合预期方向。",
    ),
    "partial": (
        "{n_supports} of {total} primary metrics {change} in {arm} as predicted, against {baseline}; none the other way.",
        "与{baseline}相比，{arm}的 {total} 个主要指标中有 {n_supports} 个符合预期方向，没有指标相反。",
    ),
    "contradicted": (
        "All {total} primary metrics change in {arm} the other way than predicted, against {baseline}.",
        "与{baseline}相比，{arm}的全部 {total} 个主要指标均与预期方向相反。",
    ),
    "partly_contradicted": (
        "{n_opposes} of {total} primary metrics {change_less} in {arm} the other way than predicted, against {baseline}; none "
        "as predicted.",
        "与{baseline}相比，{arm}的 {total} 个主要指标中有 {n_opposes} 个与预期方向相反，没有指标符合预期。",
    ),
    "conflicting": (
        "Of {total} primary metrics, {n_supports} change in {arm} as predicted and {n_opposes} the other way, against "
        "{baseline}.",
        "与{baseline}相比，{arm}的 {total} 个主要指标中 {n_supports} 个符合预期方向，{n_opposes} 个相反。",
    ),
}
_COUNTED = (
    ("{k} checkpoint per arm", "每组 {k} 个检查点"),
    ("{k} checkpoints per arm", "每组 {k} 个检查点"),
    ("{k} and {b} checkpoints", "检查点 {k} 个与 {b} 个"),
)
_SEEDS = (("{k} seed per arm", "每组 {k} 个种子"), ("{k} seeds per arm", "每组 {k} 个种子"))


@dataclass(frozen=True)
class VerdictView:
    """What the page prints for one pair of arms."""

    arm: str
    baseline: str
    sign: str
    word: Both
    sentence: Both
    facts: tuple[tuple[str, str, Both], ...]
    chart: Chart
    warnings: tuple[Both, ...]


def verdict_view(result: ComparisonResult, pair: PairComparison) -> VerdictView:
    """The verdict of one pair."""
    sign, *words = WORDS[pair.verdict]
    primary = verdict_metrics(pair, result)
    return VerdictView(
        pair.arm,
        pair.baseline,
        sign,
        {lang: pick(words, lang) for lang in known()},
        _sentence(pair, primary),
        _facts(result, pair, primary),
        chart(pair, primary),
        _told(pair.warnings),
    )


def notes(result: ComparisonResult) -> list[tuple[str, Both]]:
    """(kind, sentence by language) of every alarm and warning of the comparison as a whole."""
    raised: dict[tuple[str, ...], list[str]] = {}
    for arm, alarm in [("", a) for a in result.alarms] + [(r.name, a) for r in result.arms for a in r.alarms]:
        arms = raised.setdefault(tuple(alarm_text(alarm, lang) for lang in known()), [])
        if arm and arm not in arms:
            arms.append(arm)
    found: list[tuple[str, Both]] = []
    for texts, arms in raised.items():
        named = {
            lang: marks(lang).list.join(label(a, lang) for a in arms) + marks(lang).colon + text
            if arms
            else text
            for lang, text in zip(known(), texts)
        }
        found.append(("alarm", named))
    return found + [("warning", texts) for texts in _told(result.warnings)]


def _told(alarms: Iterable[Alarm]) -> tuple[Both, ...]:
    """Sentences by language, each once."""
    every = [{lang: alarm_text(alarm, lang) for lang in known()} for alarm in alarms]
    return tuple({tuple(texts.values()): texts for texts in every}.values())


def _sentence(pair: PairComparison, primary: tuple[MetricResult, ...]) -> Both:
    counts = {f"n_{o}": sum(m.outcome == o for m in primary) for o in OUTCOMES}
    template = SENTENCES[pair.verdict]
    # one of four shows, two of four show
    verbs = {
        "differ": "differs" if counts["n_differs"] == 1 else "differ",
        "show": "shows" if counts["n_supports"] == 1 else "show",
        "show_less": "shows" if counts["n_opposes"] == 1 else "show",
        "change": "changes" if counts["n_supports"] == 1 else "change",
        "change_less": "changes" if counts["n_opposes"] == 1 else "change",
    }
    if not guides_hypothesis(primary):
        template = PREDICTED.get(pair.verdict, template)
    # without enough runs the sentence is about these weights, not about the arms
    of_weights = pair.claim == "checkpoints"
    out = {}
    for lang in known():
        named = pick(CHECKPOINT_OF if of_weights else ARM_OF, lang)
        arm, baseline = (named.format(arm=label(a, lang)) for a in (pair.arm, pair.baseline))
        text = pick(template, lang).format(
            arm=arm, baseline=baseline, total=len(primary), n=pair.n, **counts, **verbs
        )
        # no space between Han characters
        text = text[:1].upper() + text[1:]
        out[lang] = re.sub(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", "", text)
    return out


def _facts(
    result: ComparisonResult, pair: PairComparison, primary: tuple[MetricResult, ...]
) -> tuple[tuple[str, str, Both], ...]:
    """(key of the label, big text, small text) of each fact."""
    facts: list[tuple[str, Both | str, Both]] = []
    entropy = next((m for m in primary if m.metric == "entropy"), None)
    level = f"{100 * (1 - result.alpha):g}"
    if entropy is not None:
        p = entropy.paired
        decimals = interval_decimals(p.ci_low, p.ci_high)
        value = fixed(p.mean_difference, decimals, sign=True)
        big = {lang: f"{value} {metric_unit('entropy', lang)}" for lang in known()}
        small = {
            lang: joined(
                lang,
                f"{level}% {say('CI', '置信区间', lang)} {format_interval(p.ci_low, p.ci_high, lang=lang)}",
                f"{say('adjusted', '校正后', lang)} {format_p(entropy.p_adjusted)}",
                *_of_baseline(p, lang),
            )
            for lang in known()
        }
        facts.append(("fact_headline", big, small))
    facts += alignment_facts(result, pair)
    seeds = {a.name: a.n_seeds for a in result.arms}
    k, k_baseline = seeds.get(pair.arm, 1), seeds.get(pair.baseline, 1)
    counted = _COUNTED[0 if k == 1 else 1] if k == k_baseline else _COUNTED[2]
    split = {
        lang: joined(lang, split_name(result.split, lang), pick(counted, lang).format(k=k, b=k_baseline))
        for lang in known()
    }
    facts.append(("fact_n", f"N = {pair.n}", split))
    facts.append(
        (
            "fact_error",
            {k: pick(AXES[pair.performance.axis], k) for k in known()},
            _error(result, pair),
        )
    )
    few = min(k, k_baseline)
    seeds_text = {lang: pick(_SEEDS[few > 1], lang).format(k=few) for lang in known()}
    facts.append(("fact_claim", seeds_text, {k: pick(CLAIMS[pair.claim], k) for k in known()}))
    return tuple((key, big, small) for key, big, small in facts)  # type: ignore[misc]


def _of_baseline(p: PairedResult, lang: str) -> list[str]:
    """The change in percent of the baseline's mean, where it is defined."""
    change = signed_percent(p, lang)
    return (
        [say("{change} of the baseline's mean", "相对基线均值 {change}", lang, change=change)]
        if change
        else []
    )


def _error(result: ComparisonResult, pair: PairComparison) -> Both:
    e = pair.performance
    if e.mae_arm is None or e.mae_baseline is None:
        return {lang: say("No predictions were captured.", "未采集到预测值。", lang) for lang in known()}
    if e.ci_low is not None and e.ci_high is not None:
        decimals = interval_decimals(e.ci_low, e.ci_high)
    else:
        decimals = 3
    out = {}
    for lang in known():
        parts = [
            f"MAE {fixed(e.mae_arm, decimals)} {say('against', '对', lang)} "
            f"{fixed(e.mae_baseline, decimals)}{_unit(unit_name(result.unit, lang))}",
            f"{say('difference', '差值', lang)} {fixed(e.difference, decimals, sign=True)}"
            + _unit(
                say("percentage points", "个百分点", lang)
                if result.unit == "%"
                else unit_name(result.unit, lang)
            )
            + (_bracketed(e.ci_low, e.ci_high, lang) if e.ci_low is not None else ""),
        ]
        if e.p_value is not None:
            parts.append(format_p(e.p_value))
        out[lang] = joined(lang, *parts)
    return out


def _unit(unit: str) -> str:
    return unit if unit == "%" else f" {unit}" if unit else ""


def _bracketed(low: float | None, high: float | None, lang: str) -> str:
    return f"{marks(lang).open}{format_interval(low, high, lang=lang)}{marks(lang).close}"
