"""Alignment beside concentration: one sentence for the first screen, and a part with sentences, table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crysmm_attn_plugin.builtin.metrics import ALIGNMENT_PRIMARY
from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports import changes
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.language import metric_heading, pick, say
from crysmm_attn_plugin.reports.numbers import fixed, format_p
from crysmm_attn_plugin.reports.part_texts import section
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

NAME = "alignment"
TITLE = ("Alignment, blocks and sentences", "对齐、分块与句子")
#: What the part shows, in this order.
SHOWN = (
    ALIGNMENT_PRIMARY, "alignment_pointing", "alignment_excess", "alignment_lift", "alignment_lift_bonds",
    "alignment_lift_coordination", "element_blocks", "site_blocks", "word_blocks", "first_sentence_mass",
    "last_sentence_mass", "reading_position",
)  # fmt: skip
COLUMNS = (
    ("Metric", "指标"), ("Arm", "实验组"), ("Baseline", "基线"), ("Difference", "差值"), ("Interval", "区间"),
    ("Adjusted p", "校正后 p"), ("Uniform", "均匀注意力"), ("Random weights", "随机权重"), ("Crystals", "晶体数"),
)  # fmt: skip
#: Outcome of the primary metric -> what the sentence says.
READING = {
    "supports": ("better aligned with the text's mentions of each atom's element", "与文本中本元素提及的对齐更好"),
    "opposes": ("less aligned with the text's mentions of each atom's element", "与文本中本元素提及的对齐更差"),
    "differs": (
        "these checkpoints differ in their alignment with the text's mentions of each atom's element",
        "这些检查点与文本中本元素提及的对齐不同",
    ),
    "negligible": ("alignment alike within the smallest effect of interest", "对齐度在最小关注效应范围内等效"),
    "inconclusive": ("neither better nor equal alignment was established", "对齐度既未检出差异，也未通过等效性检验"),
    "estimate": ("alignment estimated, no verdict", "对齐度仅为估计，不作判定"),
    "not_tested": ("alignment not tested", "对齐度未作检验"),
}  # fmt: skip
SENTENCE = (
    "{arm} against {baseline}: {reading}: AUC {a} against {b} (0.5 where every atom reads alike), difference {difference} "
    "({level} {interval}{p}); {n} crystals.",
    "{arm}对{baseline}：{reading}：AUC {a} 对 {b}（各原子读法相同时为 0.5），差值 {difference}（{level} {interval}{p}）；"
    "{n} 个晶体。",
)
NOT_ALIGNED = (
    " The arm's mean is not above 0.5: on average its atoms do not give their own element's words more "
    "weight than another's.",
    "该组均值未超过 0.5：平均而言，原子给本元素的词的权重并不高于给其他元素的词。",
)
NOTE = (
    "The AUC is the one metric of this family that the method fixes beforehand; it has no part in the verdict on concentration; all others are "
    "exploratory (Benjamini-Hochberg). Weights are not use: that the model needs what it reads is not shown here.",
    "AUC 是这一组中由方法事先指定的唯一指标，不参与集中度的判定；其余均为探索性指标（Benjamini-Hochberg）。权重不等于使用：此处并未证明模型依赖其所读内容。",
)
AXIS = ("change [standard deviations]", "变化 [标准差]")
CAPTION = (
    "Change of each metric in standard deviations of the paired differences, with its interval; the filled mark is the "
    "metric that the method fixes beforehand.",
    "各指标的变化（以配对差值的标准差为单位）及其区间；实心标记为事先指定的指标。",
)


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where nothing of it was captured."""
    result = request.comparison.result
    found = [(pair, m) for pair in result.pairs for m in results_of(pair, result)]
    alone = [] if result.pairs else [name for name in SHOWN if name in result.arms[0].means]
    if not found and not alone:
        return None
    drawn = changes.pictures(request, NAME, found, _mark, AXIS, CAPTION, changes.Layout(120.0, 62.0, 4.5))

    def sentences(lang: str) -> list[str]:
        said = [s for pair in result.pairs if (s := sentence(result, pair, lang))]
        return [*said, *(changes.alone(result.arms[0], name, lang) for name in alone), pick(NOTE, lang)]

    part = section(
        NAME, TITLE, request.langs, sentences, COLUMNS, lambda lang: [_row(m, lang) for _, m in found], drawn, CAPTION
    )  # fmt: skip
    return PartOutput([part], [picture.path for picture in drawn.values()], _numbers(found))


def primary_of(pair: PairComparison, result: ComparisonResult) -> MetricResult | None:
    """A pair's result of the pre-declared alignment metric in the first direction that has one, None without one."""
    return next((m for m in results_of(pair, result) if m.metric == ALIGNMENT_PRIMARY), None)


def results_of(pair: PairComparison, result: ComparisonResult) -> list[MetricResult]:
    """A pair's results in the reading that carries the verdict: first direction, all tokens, metric first, then heads."""
    plain = {
        m.metric: m
        for m in pair.metrics
        if (m.direction, m.scope, m.aggregation)
        == (result.directions[0], "with_special", "metric_then_heads")
    }
    return [plain[name] for name in SHOWN if name in plain]


def sentence(result: ComparisonResult, pair: PairComparison, lang: str) -> str:
    """What the pre-declared alignment metric says, with its interval and no more than its runs allow; empty without it."""
    m = primary_of(pair, result)
    if m is None:
        return ""
    a, b, difference, interval = changes.values(m, lang)
    p = "" if pair.claim == "estimates" else f"; {say('adjusted', '校正后', lang)} {format_p(m.p_adjusted)}"
    text = pick(SENTENCE, lang).format(
        arm=arm_heading(pair.arm, lang), baseline=arm_label(pair.baseline, lang),
        reading=pick(READING[m.outcome], lang), a=a, b=b, difference=difference,
        level=f"{100 * m.paired.confidence:g}% {say('CI', '置信区间', lang)}", interval=interval, p=p, n=m.paired.n,
    )  # fmt: skip
    return text + (pick(NOT_ALIGNED, lang) if m.paired.mean_a <= 0.5 else "")


def _row(m: MetricResult, lang: str) -> tuple[str, ...]:
    fresh = [v for v in (m.reinitialised_mean_a, m.reinitialised_mean_b) if v is not None]
    return (
        metric_heading(m.metric, lang), *changes.values(m, lang), format_p(m.p_adjusted),
        "" if m.uniform_mean is None else fixed(m.uniform_mean, 2),
        fixed(sum(fresh) / len(fresh), 3) if fresh else "", str(m.paired.n),
    )  # fmt: skip


def _numbers(found: Sequence[tuple[PairComparison, MetricResult]]) -> dict[str, Any]:
    return {
        f"{pair.arm}/{m.metric}": {
            "family": m.family,
            "outcome": m.outcome,
            "mean_arm": m.paired.mean_a,
            "mean_baseline": m.paired.mean_b,
            "difference": m.paired.mean_difference,
            "ci_low": m.paired.ci_low,
            "ci_high": m.paired.ci_high,
            "p_adjusted": m.p_adjusted,
            "n": m.paired.n,
            "above_random_arm": _above(m.paired.mean_a, m.reinitialised_mean_a),
            "above_random_baseline": _above(m.paired.mean_b, m.reinitialised_mean_b),
        }
        for pair, m in found
    }


def _above(mean: float, fresh: float | None) -> float | None:
    return None if fresh is None else mean - fresh


def _mark(m: MetricResult) -> changes.Mark | None:
    """The change over the standard deviation of its paired differences; the pre-declared metric is filled."""
    p = m.paired
    sd = p.sd_difference
    if not sd > 0:
        return None
    return changes.Mark(p.mean_difference / sd, p.ci_low / sd, p.ci_high / sd, m.family == "alignment")
