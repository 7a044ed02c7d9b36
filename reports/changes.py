"""Changes of metrics as a part of the report shows them: values with their interval, one sentence an arm alone, a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crysmm_attn_plugin.descriptors import PartRequest
from crysmm_attn_plugin.reports.arm_names import arm_label
from crysmm_attn_plugin.reports.language import figure_stem, metric_label, metric_unit, pick, say
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed
from crysmm_attn_plugin.reports.part_texts import Picture, Texts
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.results import ArmSummary, MetricResult, PairComparison

ALONE = ("The {metric} was {a} in the {arm}.", "{arm}的{metric}为 {a}。")
Found = Sequence[tuple[PairComparison, MetricResult]]


@dataclass(frozen=True)
class Mark:
    """One change as it is drawn: its place, its interval, and whether the mark is filled."""

    value: float
    low: float
    high: float
    filled: bool = True


@dataclass(frozen=True)
class Layout:
    """Millimetres of the figure: its width, the room for names, the height of a row."""

    width: float
    names: float
    row: float


def values(m: MetricResult, lang: str) -> tuple[str, str, str, str]:
    """Means of the arm and of the baseline with their unit, the difference, its interval."""
    p = m.paired
    decimals = decimals_for(p.ci_high - p.ci_low)
    unit = _unit(m.metric, lang)
    return (
        fixed(p.mean_a, decimals) + unit, fixed(p.mean_b, decimals) + unit,
        fixed(p.mean_difference, decimals, sign=True), Wording(lang, "nature").interval(p.ci_low, p.ci_high),
    )  # fmt: skip


def alone(arm: ArmSummary, metric: str, lang: str) -> str:
    """The sentence of a metric of one arm that nothing is compared with."""
    mean = fixed(arm.means[metric], 3) + _unit(metric, lang)
    return pick(ALONE, lang).format(metric=metric_label(metric, lang), a=mean, arm=arm_label(arm.name, lang))


def pictures(
    request: PartRequest,
    name: str,
    found: Found,
    mark: Callable[[MetricResult], Mark | None],
    axis: Texts,
    caption: Texts,
    layout: Layout,
) -> dict[str, Picture]:
    """One row a metric and pair, drawn in each language: file beside the report and element of the page.

    Args:
        request: The report.
        name: Of the part.
        found: Results; none gives no picture.
        mark: What is drawn of a result; None leaves its row empty.
        axis: Label of the horizontal axis.
        caption: What is seen.
        layout: Sizes.
    """
    if not found:
        return {}
    from crysmm_attn_plugin.reports.figures import interval_rows  # matplotlib

    several = len({pair.arm for pair, _ in found}) > 1
    made = {}
    for lang in request.langs:
        names = [
            metric_label(m.metric, lang)
            + (say(" ({arm})", "（{arm}）", lang, arm=arm_label(pair.arm, lang)) if several else "")
            for pair, m in found
        ]
        figure = interval_rows.draw(
            [mark(m) for _, m in found], names, pick(axis, lang), layout.width, layout.names, layout.row
        )
        path: Path = request.folder / f"{figure_stem(name, lang)}.png"
        made[lang] = Picture(
            path, interval_rows.save(figure, path, name, f"{name}-{lang}-", pick(caption, lang))
        )
    return made


def _unit(name: str, lang: str) -> str:
    unit = metric_unit(name, lang)
    return f" {unit}" if unit else ""
