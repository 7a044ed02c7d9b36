"""The 2 x 2 panel of the four primary metrics: every crystal in every arm, and the paired difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import estimates, marks
from crysmm_attn_plugin.reports.figures.arms import Arm, arms_of
from crysmm_attn_plugin.reports.figures.measure import (
    LINE_MM,
    Entry,
    Legend,
    axis_label,
    lines_of,
    place,
    settle,
    wrapped,
    write_lines,
)
from crysmm_attn_plugin.reports.figures.style import (
    DOUBLE_MM,
    GREY,
    PALE,
    SMALL_PT,
    add_axes,
    letter,
    new_figure,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import axis_name, say
from crysmm_attn_plugin.reports.language import metric_unit
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_MM, LETTER_MM, BODY_MM, GAP_MM = 1.0, 5.0, 36.0, 3.5
RAW_SHARE = 0.54
#: The guide's ranges are drawn in the palest grey that still prints.
BAND = "#E4E4E4"

Found = tuple[PairComparison, MetricResult, Arm]


@dataclass(frozen=True)
class Panel:
    """One metric: its results, and the lines of text above it."""

    metric: str
    found: tuple[Found, ...]
    lines: tuple[tuple[Arm | None, str], ...]
    notes: tuple[str, ...]


def draw(result: ComparisonResult, samples: pd.DataFrame, lang: str = "en") -> Figure:
    """The seed's 2 x 2 panel as estimation plots; one arm alone as distributions.

    Args:
        result: The comparison.
        samples: One row per crystal with ``<metric>.<arm>`` columns.
        lang: Language of the labels.
    """
    arms = arms_of(result, lang)
    names = [m for m in PRIMARY if any(f"{m}.{a.name}" in samples for a in arms)]
    width = DOUBLE_MM / 2 - LETTER_MM - 2 * MARGIN_MM
    panels = [_panel(result, samples, metric, arms, width, lang) for metric in names]
    head = max((LINE_MM * (len(p.lines) + len(p.notes)) for p in panels), default=0.0) + 1.8
    legend = Legend(_entries(panels, arms, samples, lang), DOUBLE_MM - 2 * MARGIN_MM)
    row = head + BODY_MM + GAP_MM
    top = legend.height + 2.2
    figure = new_figure(DOUBLE_MM, top + row * max(1, -(-len(names) // 2)))
    legend.draw(figure, MARGIN_MM, 1.0)
    for index, panel in enumerate(panels):
        left, upper = (index % 2) * DOUBLE_MM / 2, top + (index // 2) * row
        letter(figure, left + MARGIN_MM, upper, index)
        _draw_panel(figure, panel, arms, samples, (left, upper, head), lang)
    return figure


def _panel(
    result: ComparisonResult,
    samples: pd.DataFrame,
    metric: str,
    arms: Sequence[Arm],
    width: float,
    lang: str,
) -> Panel:
    by_name = {a.name: a for a in arms}
    found = tuple((p, m, by_name[p.arm]) for p in result.pairs for m in p.primary() if m.metric == metric)
    lines: list[tuple[Arm | None, str]] = []
    if len(found) == 1:
        lines = [(None, line) for line in lines_of(estimates.whole(found[0][1], lang), width)]
    elif found:
        for _, item, arm in found:
            rows = lines_of(estimates.short(item, lang), width - 3)
            lines += [(arm, rows[0]), *((None, "    " + r) for r in rows[1:])]
        shared = say("relative_to", lang, n=found[0][1].paired.n)
        lines += [(None, line) for line in lines_of(shared, width)]
    else:
        text = f"N = {result.n_crystals}"
        if len(arms) > 1:
            text += say("stop", lang) + say("no_test", lang)
        lines = [(None, text)]
    values = _values(samples, metric, arms)
    beyond = estimates.beyond(
        estimates.levels(metric, samples, [m for _, m, _ in found]), *_limits(values), lang
    )
    return Panel(metric, found, tuple(lines), tuple(lines_of(beyond, width)) if beyond else ())


def _entries(panels: Sequence[Panel], arms: Sequence[Arm], samples: pd.DataFrame, lang: str) -> list[Entry]:
    """The legend: what each colour, shape and line means; only what is drawn."""
    compared = any(p.found for p in panels)
    entries = [
        Entry(
            say("baseline_arm", lang, arm=a.label) if a.is_baseline and compared else a.label,
            a.colour,
            a.shape,
        )
        for a in arms
    ]
    if any(estimates.runs(m) for p in panels for _, m, _ in p.found):
        entries.append(Entry(say("one_run", lang), marker="D", hollow=True))
    keys = {
        key
        for p in panels
        for key, _, value in estimates.levels(p.metric, samples, [m for _, m, _ in p.found])
        if estimates.near(value, *_limits(_values(samples, p.metric, arms)))
    }
    for key, style in LEVEL_STYLES.items():
        if key in keys:
            entries.append(Entry(say(key, lang), GREY, line=style))
    if any(estimates.guide_range(pair, m) for p in panels for pair, m, _ in p.found):
        entries.append(Entry(say("guide_range", lang), BAND))
    return entries


LEVEL_STYLES = {"uniform": (0, (4, 2)), "reinitialised": (0, (1, 1.5))}


def _values(samples: pd.DataFrame, metric: str, arms: Sequence[Arm]) -> dict[Arm, np.ndarray]:
    return {a: samples[f"{metric}.{a.name}"].to_numpy(float) for a in arms if f"{metric}.{a.name}" in samples}


def _limits(values: dict[Arm, np.ndarray]) -> tuple[float, float]:
    everything = marks.finite(np.concatenate([*values.values(), np.zeros(0)]))
    return (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)


def _draw_panel(
    figure: Figure,
    panel: Panel,
    arms: Sequence[Arm],
    samples: pd.DataFrame,
    at: tuple[float, float, float],
    lang: str,
) -> None:
    left, top, head = at
    start = left + MARGIN_MM + LETTER_MM
    for number, (arm, line) in enumerate(panel.lines):
        y = top + number * LINE_MM
        if arm is None:
            write_text(figure, start, y, line)
        else:
            Legend([Entry(" ", arm.colour, arm.shape)], 10).draw(figure, start - 0.8, y)
            write_text(figure, start + 3, y, line)
    write_lines(figure, start, top + len(panel.lines) * LINE_MM, panel.notes, color=GREY)
    whole = DOUBLE_MM / 2 - 2 * MARGIN_MM
    wide = (whole - 3) * RAW_SHARE if panel.found else whole
    raw = add_axes(figure, left + 12, top + head, wide - 12, BODY_MM - 6)
    _raw(raw, _values(samples, panel.metric, arms), panel, samples, wide - 12, lang)
    boxes = [settle(raw, left + MARGIN_MM, top + head, wide, BODY_MM)]
    drawn = [raw]
    if panel.found:
        rest = whole - wide - 3
        axes = add_axes(figure, left + wide + 14, top + head, rest - 20, BODY_MM - 6)
        _differences(axes, panel, samples, rest - 20, lang)
        boxes.append(settle(axes, left + MARGIN_MM + wide + 3, top + head, rest, BODY_MM))
        drawn.append(axes)
    height = min(b[3] for b in boxes)
    for axes, box in zip(drawn, boxes):
        place(axes, box[0], top + head, box[2], height)


def _raw(
    axes: Axes,
    values: dict[Arm, np.ndarray],
    panel: Panel,
    samples: pd.DataFrame,
    width: float,
    lang: str,
) -> None:
    shown = list(values)
    many, alone = len(samples) > marks.MANY, len(shown) == 1
    seeds = _run_means(panel)
    for x, arm in enumerate(shown):
        if x:
            marks.pair_lines(axes, values[shown[x - 1]], values[arm], (x - 1, x), spread=0.06)
        outward = 1 if x else -1
        if many or alone:
            marks.half_violin(axes, values[arm], x, 0.34, arm.colour, side=outward, gap=0.1)
        marks.points(axes, values[arm], x, arm.colour, shape=arm.shape, spread=0.06)
        known = marks.finite(values[arm])
        if len(known):
            marks.mean_bar(axes, float(known.mean()), x)
        marks.run_means(axes, seeds.get(arm.name, ()), x - outward * 0.2, arm.colour)
    low, high = _limits(values)
    # one run's mean may lie beyond every crystal's mean over the runs
    runs = [v for means in seeds.values() for v in means if np.isfinite(v)]
    bottom, top = marks.padded(min([low, *runs]), max([high, *runs]))
    for key, column, value in estimates.levels(panel.metric, samples, [m for _, m, _ in panel.found]):
        if not estimates.near(value, low, high):
            continue
        across = (-0.6, len(shown) - 0.4) if column is None else (column - 0.45, column + 0.45)
        axes.plot(across, [value] * 2, color=GREY, linewidth=0.8, linestyle=LEVEL_STYLES[key], zorder=1)
        bottom, top = min(bottom, marks.padded(value, high)[0]), max(top, marks.padded(low, value)[1])
    axes.set_ylim(bottom, top)
    axes.set_xlim(-0.6, len(shown) - 0.4)
    _name_columns(axes, shown, width)
    axes.set_ylabel(axis_label(axis_name(panel.metric, lang), BODY_MM - 8))
    plain_ticks(axes.yaxis)


def _run_means(panel: Panel) -> dict[str, Sequence[float]]:
    means: dict[str, Sequence[float]] = {}
    for pair, item, _ in panel.found:
        of_arm, of_baseline = estimates.runs(item) or ((), ())
        means |= {pair.arm: of_arm, pair.baseline: of_baseline}
    return means


def _name_columns(axes: Axes, arms: Sequence[Arm], width: float) -> None:
    """Names below the columns where they fit whole, else each arm's mark, which the legend names."""
    room = width / max(len(arms), 1) - 1.5
    names = [wrapped(a.label, room) for a in arms]
    axes.tick_params(axis="x", length=0)
    if all(n is not None for n in names) and len(arms) > 1:
        axes.set_xticks(range(len(arms)), [n or "" for n in names])
        return
    axes.set_xticks([])
    for x, arm in enumerate(arms):
        axes.plot(
            [x], [-0.055], marker=arm.shape, color=arm.colour, markersize=3.4, markeredgewidth=0,
            transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
    # the marks take the room of a line of tick labels
    axes.set_xlabel(" ", fontsize=SMALL_PT)


def _differences(axes: Axes, panel: Panel, samples: pd.DataFrame, width: float, lang: str) -> None:
    metric = panel.metric
    reach: list[float] = [0.0]
    marks.zero_line(axes)
    for x, (pair, item, arm) in enumerate(panel.found):
        a, b = f"{metric}.{pair.arm}", f"{metric}.{pair.baseline}"
        if a in samples and b in samples:
            difference = samples[a].to_numpy(float) - samples[b].to_numpy(float)
            marks.half_violin(axes, difference, x, 0.26, arm.colour, side=-1, gap=0.16)
            marks.points(axes, difference, x - 0.07, arm.colour, shape=arm.shape, spread=0.06, seed=x)
            reach += marks.finite(difference).tolist()
        paired = item.paired
        marks.mean_with_interval(axes, paired.mean_difference, paired.ci_low, paired.ci_high, x + 0.14)
        of_arm, of_baseline = estimates.runs(item) or ((), ())
        if of_baseline:
            changes = [v - float(np.mean(of_baseline)) for v in of_arm]
            marks.run_means(axes, changes, x + 0.28, arm.colour)
            reach += changes
        reach += [v for v in (paired.ci_low, paired.ci_high) if np.isfinite(v)]
        band = estimates.guide_range(pair, item)
        if band:
            axes.fill_between([x - 0.45, x + 0.4], *band, color=BAND, linewidth=0, zorder=0)
            reach += band
    axes.set_ylim(*marks.padded(min(reach), max(reach), 0.05))
    axes.set_xlim(-0.55, len(panel.found) - 0.5)
    _name_columns(axes, [arm for *_, arm in panel.found], width)
    unit = metric_unit(metric, lang)
    label = say("difference_from", lang) + (f" [{unit}]" if unit else "")
    axes.set_ylabel(axis_label(label, BODY_MM - 8))
    plain_ticks(axes.yaxis)
    base = panel.found[0][1].paired.mean_b
    if np.isfinite(base) and base > 0:
        to_percent, from_percent = _percent_of(base)
        percent = axes.secondary_yaxis("right", functions=(to_percent, from_percent))
        name = axis_label(say("percent_axis", lang), BODY_MM - 8, SMALL_PT)
        percent.set_ylabel(name, fontsize=SMALL_PT, color=GREY)
        percent.tick_params(axis="y", colors=GREY, labelsize=SMALL_PT, width=0.4, length=1.5)
        percent.spines["right"].set_color(PALE)
        plain_ticks(percent.yaxis, 5)


def _percent_of(base: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The metric's unit to percent of the baseline's mean, and back."""

    def there(values: Any) -> Any:
        return 100 * np.asarray(values, float) / base

    def back(values: Any) -> Any:
        return base * np.asarray(values, float) / 100

    return there, back
