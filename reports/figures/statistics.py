"""The 2 x 2 panel of the four primary metrics: every crystal in every arm, and the paired difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import (
    DOUBLE_MM,
    GREY,
    SMALL_PT,
    add_axes,
    arm_colours,
    letter,
    new_figure,
    one_line,
    plain_ticks,
    wrapped,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import (
    decimals_for,
    fixed,
    metric_label,
    p_text,
    percent,
    say,
    with_interval,
)
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_MM = 2.7
#: Least distance of two labels beside an axis, as a share of its height.
LABEL_GAP = 0.065


def draw(result: ComparisonResult, samples: pd.DataFrame, lang: str = "en") -> Figure:
    """The seed's 2 x 2 panel as estimation plots; one arm alone as distributions.

    Args:
        result: The comparison.
        samples: One row per crystal with ``<metric>.<arm>`` columns.
        lang: Language of the labels.
    """
    names = [m for m in PRIMARY if any(f"{m}.{a.name}" in samples for a in result.arms)]
    pairs = [p for p in result.pairs if any(m.metric in names for m in p.primary())]
    lines = {0: 1, 1: 2}.get(len(pairs), len(pairs) + 1)
    head = LINE_MM * (lines + 1) + 1.5
    body = 38.0
    row = head + body + 8
    figure = new_figure(DOUBLE_MM, row * max(1, -(-len(names) // 2)) + 1)
    for index, metric in enumerate(names):
        left, top = (index % 2) * (DOUBLE_MM / 2), (index // 2) * row + 1
        letter(figure, left + 0.8, top, index)
        _panel(figure, result, pairs, samples, metric, left, top, head, body, lang)
    return figure


def _panel(
    figure: Figure,
    result: ComparisonResult,
    pairs: Sequence[PairComparison],
    samples: pd.DataFrame,
    metric: str,
    left: float,
    top: float,
    head: float,
    body: float,
    lang: str,
) -> None:
    arms = _arms(result)
    colours = arm_colours(result.baseline, arms)
    found = [(p, m) for p in pairs for m in p.primary() if m.metric == metric]
    for k, line in enumerate(_lines(found, lang)):
        write_text(figure, left + 14, top + 0.6 + k * LINE_MM, line)
    if not pairs:
        text = f"N = {result.n_crystals}"
        if len(arms) > 1:
            text += f"; {say('no_test', lang)}"
        write_text(figure, left + 14, top + 0.6, text)
    differences = bool(found)
    wide = 32.0 if differences else 56.0
    raw = add_axes(figure, left + 14, top + head, wide, body)
    _raw(raw, result, arms, colours, samples, metric, lang)
    beyond = _references(raw, metric, samples, [m for _, m in found], lang)
    if beyond:
        write_text(figure, left + 14, top + head - LINE_MM - 0.3, beyond, color=GREY)
    if differences:
        axes = add_axes(figure, left + 14 + wide + 21, top + head, 21, body)
        _differences(axes, found, samples, metric, colours, lang)


def _arms(result: ComparisonResult) -> list[str]:
    names = [a.name for a in result.arms]
    return [a for a in names if a == result.baseline] + [a for a in names if a != result.baseline]


def _lines(found: Sequence[tuple[PairComparison, MetricResult]], lang: str) -> list[str]:
    """Estimates in words: two lines for one pair, else a line per arm and one for what they share."""
    if not found:
        return []
    baseline = one_line(found[0][0].baseline, 18)
    stop, space = say("stop", lang), " " if lang == "en" else ""
    lines = []
    for pair, item in found:
        paired = item.paired
        estimate = with_interval(paired.mean_difference, paired.ci_low, paired.ci_high) + _unit(item.metric)
        width = paired.percent_ci_high - paired.percent_ci_low
        change = percent(paired.percent_change, min(decimals_for(width), 1) if np.isfinite(width) else 1)
        arm = one_line(pair.arm, 18)
        if len(found) == 1:
            whose = say("percent_of", lang, change=change, baseline=baseline)
            lines.append(f"{arm} − {baseline}{say('colon', lang)}{estimate}{stop}{whose}")
            lines.append(f"{_p(item, lang)}{stop}N = {paired.n}")
        else:
            lines.append(f"{arm}{say('colon', lang)}{estimate}{stop}{change}{space}%{stop}{_p(item, lang)}")
    if len(found) > 1:
        lines.append(say("relative_to", lang, baseline=baseline, n=found[0][1].paired.n))
    return lines


def _p(found: MetricResult, lang: str) -> str:
    if found.p_adjusted is None:
        return p_text(found.paired.p_value)
    return f"{say('adjusted', lang)} {p_text(found.p_adjusted)}"


def _unit(metric: str) -> str:
    from crysmm_attn_plugin.catalogue import BY_NAME

    spec = BY_NAME.get(metric)
    return f" {spec.unit}" if spec and spec.unit else ""


def _raw(
    axes: Axes,
    result: ComparisonResult,
    arms: Sequence[str],
    colours: dict[str, str],
    samples: pd.DataFrame,
    metric: str,
    lang: str,
) -> None:
    values = {a: samples[f"{metric}.{a}"].to_numpy(float) for a in arms if f"{metric}.{a}" in samples}
    shown = [a for a in arms if a in values]
    many = len(samples) > marks.MANY
    alone = len(shown) == 1
    for x, arm in enumerate(shown):
        if x:
            marks.pair_lines(axes, values[shown[x - 1]], values[arm], (x - 1, x), spread=0.06)
        outward = 1 if x else -1
        if many or alone:
            marks.half_violin(axes, values[arm], x, 0.34, colours[arm], side=outward, gap=0.1)
        marks.points(axes, values[arm], x, colours[arm], spread=0.06)
        known = marks.finite(values[arm])
        if len(known):
            marks.mean_bar(axes, float(known.mean()), x)
    everything = marks.finite(np.concatenate(list(values.values())))
    if len(everything):
        axes.set_ylim(*marks.padded(float(everything.min()), float(everything.max())))
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.set_xticks(range(len(shown)), [wrapped(a, 30 // len(shown)) for a in shown])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(metric_label(metric, lang))
    plain_ticks(axes.yaxis)


def _references(
    axes: Axes, metric: str, samples: pd.DataFrame, found: Sequence[MetricResult], lang: str
) -> str:
    """Uniform attention and fresh weights: a line where it fits the axis.

    Returns:
        What lies beyond the axis, in words, or "".
    """
    levels = _levels(metric, samples, found)
    low, high = axes.get_ylim()
    room = 0.45 * (high - low)
    near = [level for level in levels if low - room <= level[2] <= high + room]
    for key, column, value in near:
        style = (0, (4, 2)) if key == "uniform" else (0, (1, 1.5))
        across = axes.get_xlim() if column is None else (column - 0.45, column + 0.45)
        axes.plot(across, [value] * 2, color=GREY, linewidth=0.8, linestyle=style, zorder=1)
    lowest, highest = min([low, *(v for *_, v in near)]), max([high, *(v for *_, v in near)])
    bottom, top = marks.padded(lowest, highest, 0.05)
    axes.set_ylim(low if lowest == low else bottom, high if highest == high else top)
    _name_levels(axes, {key: value for key, _, value in near}, lang)
    beyond: dict[str, None] = {}
    for key, _, value in levels:
        if not low - room <= value <= high + room:
            shown = f" {fixed(value, 2)}" if found else ""
            beyond[f"{say(key, lang)} {'↑' if value > high else '↓'}{shown}"] = None
    return say("beyond", lang, what=say("comma", lang).join(beyond)) if beyond else ""


def _levels(
    metric: str, samples: pd.DataFrame, found: Sequence[MetricResult]
) -> list[tuple[str, int | None, float]]:
    """Reference values: (what, column of the arm or None for all of them, value)."""
    levels: list[tuple[str, int | None, float | None]] = []
    if found:
        levels.append(("uniform", None, found[0].uniform_mean))
        levels.append(("reinitialised", 0, found[0].reinitialised_mean_b))
        levels += [("reinitialised", k, m.reinitialised_mean_a) for k, m in enumerate(found, start=1)]
    elif "n_tokens" in samples:
        levels.append(("uniform", None, _uniform(metric, samples["n_tokens"].to_numpy(float))))
    return [(key, column, value) for key, column, value in levels if value is not None and np.isfinite(value)]


def _name_levels(axes: Axes, levels: Mapping[str, float], lang: str) -> None:
    """Names of the reference lines to the right of the axes, pushed apart where the lines lie close."""
    low, high = axes.get_ylim()
    ordered = sorted(levels.items(), key=lambda level: level[1])
    places = [(value - low) / (high - low) for _, value in ordered]
    if len(places) == 2 and places[1] - places[0] < LABEL_GAP:
        middle = min(max(sum(places) / 2, LABEL_GAP / 2), 1 - LABEL_GAP / 2)
        named = [middle - LABEL_GAP / 2, middle + LABEL_GAP / 2]
    else:
        named = places
    for (key, _), place, name in zip(ordered, places, named):
        axes.plot(
            [1.0, 1.02], [place, name], transform=axes.transAxes, color=GREY, linewidth=0.5, clip_on=False
        )
        axes.text(
            1.028,
            name,
            say(key, lang),
            transform=axes.transAxes,
            ha="left",
            va="center",
            fontsize=SMALL_PT,
            color=GREY,
        )


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


def _differences(
    axes: Axes,
    found: Sequence[tuple[PairComparison, MetricResult]],
    samples: pd.DataFrame,
    metric: str,
    colours: dict[str, str],
    lang: str,
) -> None:
    marks.zero_line(axes)
    for x, (pair, item) in enumerate(found):
        a, b = f"{metric}.{pair.arm}", f"{metric}.{pair.baseline}"
        if a in samples and b in samples:
            difference = samples[a].to_numpy(float) - samples[b].to_numpy(float)
            marks.half_violin(axes, difference, x, 0.26, colours[pair.arm], side=-1, gap=0.16)
            marks.points(axes, difference, x - 0.07, colours[pair.arm], spread=0.06, seed=x)
        paired = item.paired
        marks.mean_with_interval(axes, paired.mean_difference, paired.ci_low, paired.ci_high, x + 0.17)
    axes.set_xlim(-0.55, len(found) - 0.55)
    axes.set_xticks(range(len(found)), [wrapped(p.arm, 21 // len(found)) for p, _ in found])
    axes.tick_params(axis="x", length=0)
    baseline = one_line(found[0][0].baseline, 16)
    axes.set_ylabel(
        say("difference_from", lang, arm=baseline) + (f" [{_unit(metric).strip()}]" if _unit(metric) else "")
    )
    plain_ticks(axes.yaxis)
