"""Metrics that plugins added, as a part of the report: a sentence each, a table, a figure. Always exploratory."""

from __future__ import annotations

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports import changes
from crysmm_attn_plugin.reports.added import results_of
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.language import marks, metric_heading, metric_label, pick
from crysmm_attn_plugin.reports.numbers import fixed, format_p
from crysmm_attn_plugin.reports.part_texts import section
from crysmm_attn_plugin.stats.results import MetricResult, PairComparison

NAME = "added_metrics"
TITLE = ("Metrics of plugins", "插件指标")
EXPLORATORY = (
    "Exploratory: adjusted with all other exploratory metrics (Benjamini-Hochberg), outside the verdict.",
    "探索性指标：与其他探索性指标一并校正（Benjamini-Hochberg），不参与结论判定。",
)
COLUMNS = (
    ("Metric", "指标"), ("Arm", "实验组"), ("Baseline", "基线"), ("Difference", "差值"), ("Interval", "区间"),
    ("Change (%)", "变化（%）"), ("Adjusted p", "校正后 p"),
)  # fmt: skip
SENTENCE = (
    "The {metric} was {a} in the {arm} and {b} in the {baseline}: difference {difference} ({interval}), adjusted {p}, {n} crystals.",
    "{arm}的{metric}为 {a}，{baseline}为 {b}：差值 {difference}（{interval}），校正后 {p}，共 {n} 个晶体。",
)
AXIS = ("change [%]", "变化 [%]")
CAPTION = (
    "Change of each metric that a plugin added, in percent of the baseline's mean, with its interval.",
    "各插件指标相对基线均值的变化（%）及其区间。",
)


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where no metric of a plugin was captured."""
    result = request.comparison.result
    found = [(pair, m) for pair in result.pairs for m in results_of(pair, result)]
    alone = [] if result.pairs else [n for n in result.arms[0].means if n in _added()]
    if not found and not alone:
        return None
    drawn = changes.pictures(request, NAME, found, _mark, AXIS, CAPTION, changes.Layout(89.0, 38.0, 5.0))

    def sentences(lang: str) -> list[str]:
        said = [_sentence(pair, m, lang) for pair, m in found]
        return [*said, *(changes.alone(result.arms[0], n, lang) for n in alone), pick(EXPLORATORY, lang)]

    part = section(
        "added-metrics", TITLE, request.langs, sentences, COLUMNS,
        lambda lang: [_row(pair, m, lang) for pair, m in found], drawn, CAPTION,
    )  # fmt: skip
    numbers = {
        f"{pair.arm}/{m.metric}": {
            "mean_arm": m.paired.mean_a,
            "mean_baseline": m.paired.mean_b,
            "difference": m.paired.mean_difference,
            "percent_change": m.paired.percent_change,
        }
        for pair, m in found
    }
    return PartOutput([part], [picture.path for picture in drawn.values()], numbers)


def _added() -> set[str]:
    return {m.name for m in BY_NAME.added()}


def _sentence(pair: PairComparison, m: MetricResult, lang: str) -> str:
    a, b, difference, interval = changes.values(m, lang)
    return pick(SENTENCE, lang).format(
        metric=metric_label(m.metric, lang), a=a, b=b, arm=arm_label(pair.arm, lang), baseline=arm_label(pair.baseline, lang),
        difference=difference, interval=interval, p=format_p(m.p_adjusted), n=m.paired.n,
    )  # fmt: skip


def _row(pair: PairComparison, m: MetricResult, lang: str) -> tuple[str, ...]:
    a, b, difference, interval = changes.values(m, lang)
    change = fixed(m.paired.percent_change, 1, sign=True)
    return (
        metric_heading(m.metric, lang),
        f"{arm_heading(pair.arm, lang)}{marks(lang).colon}{a}",
        f"{arm_heading(pair.baseline, lang)}{marks(lang).colon}{b}",
        difference,
        interval,
        change,
        format_p(m.p_adjusted),
    )


def _mark(m: MetricResult) -> changes.Mark:
    """The percent change."""
    return changes.Mark(m.paired.percent_change, m.paired.percent_ci_low, m.paired.percent_ci_high)
