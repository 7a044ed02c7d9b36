"""Metrics that plugins added, as a part of the report: a sentence each, a table, a figure. Always exploratory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports.added import results_of
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.language import figure_stem, marks, metric_label, metric_unit, pick, say
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_p
from crysmm_attn_plugin.reports.part_texts import as_html, as_markdown
from crysmm_attn_plugin.reports.sections import Section
from crysmm_attn_plugin.reports.wording import Wording
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison
from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
ALONE = ("The {metric} was {a} in the {arm}.", "{arm}的{metric}为 {a}。")
CAPTION = (
    "Change of each metric that a plugin added, in percent of the baseline's mean, with its interval.",
    "各插件指标相对基线均值的变化（%）及其区间。",
)
Found = list[tuple[PairComparison, MetricResult]]


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where no metric of a plugin was captured."""
    result = request.comparison.result
    found: Found = [(pair, m) for pair in result.pairs for m in results_of(pair, result)]
    alone = [] if result.pairs else [n for n in result.arms[0].means if n in _added()]
    if not found and not alone:
        return None
    files: list[Path] = []
    pictures: dict[str, Path] = {}
    drawings: dict[str, str] = {}
    if found:
        for lang in request.langs:
            path = request.folder / f"{figure_stem(NAME, lang)}.png"
            drawings[lang] = _save(draw(found, lang), path, lang)
            files.append(path)
            pictures[lang] = path
    html, markdown = {}, {}
    for lang in request.langs:
        sentences = [_sentence(pair, m, lang) for pair, m in found] or [
            _alone(result, name, lang) for name in alone
        ]
        sentences.append(pick(EXPLORATORY, lang))
        rows = [_row(pair, m, lang) for pair, m in found]
        html[lang] = as_html(sentences, COLUMNS, rows, lang, drawings.get(lang, ""), CAPTION)
        markdown[lang] = as_markdown(sentences, COLUMNS, rows, lang, pictures.get(lang), CAPTION)
    title = {lang: pick(TITLE, lang) for lang in request.langs}
    numbers = {
        f"{pair.arm}/{m.metric}": {
            "mean_arm": m.paired.mean_a,
            "mean_baseline": m.paired.mean_b,
            "difference": m.paired.mean_difference,
            "percent_change": m.paired.percent_change,
        }
        for pair, m in found
    }
    return PartOutput([Section("added-metrics", title, html, markdown)], files, numbers)


def _added() -> set[str]:
    return {m.name for m in BY_NAME.added()}


def _unit(name: str, lang: str) -> str:
    unit = metric_unit(name, lang)
    return f" {unit}" if unit else ""


def _values(m: MetricResult, lang: str) -> tuple[str, str, str, str]:
    p = m.paired
    decimals = decimals_for(p.ci_high - p.ci_low)
    unit = _unit(m.metric, lang)
    interval = Wording(lang, "nature").interval(p.ci_low, p.ci_high)
    return (
        fixed(p.mean_a, decimals) + unit, fixed(p.mean_b, decimals) + unit,
        fixed(p.mean_difference, decimals, sign=True), interval,
    )  # fmt: skip


def _sentence(pair: PairComparison, m: MetricResult, lang: str) -> str:
    a, b, difference, interval = _values(m, lang)
    return pick(SENTENCE, lang).format(
        metric=metric_label(m.metric, lang), a=a, b=b, arm=arm_label(pair.arm, lang), baseline=arm_label(pair.baseline, lang),
        difference=difference, interval=interval, p=format_p(m.p_adjusted), n=m.paired.n,
    )  # fmt: skip


def _alone(result: ComparisonResult, name: str, lang: str) -> str:
    arm = result.arms[0]
    unit = _unit(name, lang)
    return pick(ALONE, lang).format(
        metric=metric_label(name, lang), a=fixed(arm.means[name], 3) + unit, arm=arm_label(arm.name, lang)
    )


def _row(pair: PairComparison, m: MetricResult, lang: str) -> tuple[str, ...]:
    a, b, difference, interval = _values(m, lang)
    change = fixed(m.paired.percent_change, 1, sign=True)
    name = metric_label(m.metric, lang)
    return (
        name[:1].upper() + name[1:],
        f"{arm_heading(pair.arm, lang)}{marks(lang).colon}{a}",
        f"{arm_heading(pair.baseline, lang)}{marks(lang).colon}{b}",
        difference,
        interval,
        change,
        format_p(m.p_adjusted),
    )


def draw(found: Found, lang: str) -> Figure:
    """One row a metric and pair: the percent change and its interval.

    Args:
        found: Results to show.
        lang: Language of the labels.
    """
    from crysmm_attn_plugin.reports.figures import measure, style  # matplotlib

    several = len({pair.arm for pair, _ in found}) > 1
    height = 14.0 + 5.0 * len(found)
    with style.context():
        figure = style.new_figure(89.0, height)
        axes = style.add_axes(figure, 38.0, 2.0, 48.0, height - 12.0)
        axes.axvline(0.0, color="0.7", linewidth=0.5)
        for i, (_, m) in enumerate(found):
            p = m.paired
            axes.plot([p.percent_ci_low, p.percent_ci_high], [i, i], color="black", linewidth=0.8)
            axes.plot([p.percent_change], [i], "o", color="black", markersize=3)
        names = [
            metric_label(m.metric, lang)
            + (say(" ({arm})", "（{arm}）", lang, arm=arm_label(pair.arm, lang)) if several else "")
            for pair, m in found
        ]
        axes.set_yticks(range(len(found)), [measure.shortened(style.one_line(n), 44.0) for n in names])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel(say("change [%]", "变化 [%]", lang))
        measure.settle(axes, 1.0, 1.0, 87.0, height - 2.0)
    return figure


def _save(figure: Figure, path: Path, lang: str) -> str:
    """Write the picture; returns it as an element of the page."""
    from crysmm_attn_plugin.reports.figures import style, vectors  # matplotlib

    with style.context():
        write_atomic(path, lambda target: figure.savefig(target, format="png", metadata={"Title": NAME}))
        return vectors.of_figure(figure, f"{NAME}-{lang}-", pick(CAPTION, lang))
