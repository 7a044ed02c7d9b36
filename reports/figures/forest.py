"""Several data sets: each one's change with its interval, the mean over them, and where another data set would lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.measure import (
    LINE_MM,
    Entry,
    Legend,
    axis_label,
    lines_of,
    place,
    settle,
    shortened,
    width_mm,
    write_lines,
)
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    BLUE,
    DOUBLE_MM,
    GREY,
    FigureRecord,
    add_axes,
    context,
    letter,
    new_figure,
    one_line,
    plain_ticks,
    save,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import axis_name, p_text, say, with_interval
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.numbers import fixed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crysmm_attn_plugin.stats.pooling import PooledResult

NAME = "several_data_sets"
ROW_MM, LABELS_MM, ACROSS = 3.4, 42.0, 2
_CAPTION = (
    "Change in {what} in each of {k} data sets with its interval, and the random-effects mean over them "
    "(diamond{prediction}). {means}",
    "{k} 个数据集各自的{what}变化及其区间，以及随机效应均值（菱形{prediction}）。{means}",
)
_PREDICTION = ("; line: where the change in another data set would lie", "；细线为另一数据集的预测区间")
_MEAN = ("{what}: {mean} %, {p}, I² = {share} %.", "{what}：{mean}%，{p}，I² = {share}%。")


def draw(pooled: Sequence[PooledResult], lang: str = "en") -> Figure:
    """A panel for each pooled change: squares (area by weight) with intervals, and the mean as a diamond.

    Args:
        pooled: As ``stats.pool_results`` returns them, over the same data sets.
        lang: Language of the labels.
    """
    rows = len(pooled[0].rows)
    panel = DOUBLE_MM / ACROSS
    longest = max(width_mm(one_line(r.label)) for p in pooled for r in p.rows)
    labels = min(max(longest, width_mm(say("pooled", lang))), LABELS_MM) + 2
    texts = [lines_of(_summary(p, lang), panel - 8) for p in pooled]
    head = LINE_MM * max(map(len, texts)) + 1.0
    body = ROW_MM * (rows + 1) + 8.5
    legend = Legend(_entries(pooled, lang), DOUBLE_MM - 2)
    top, pitch = legend.height + 2.2, head + body + 2.5
    figure = new_figure(DOUBLE_MM, top + pitch * -(-len(pooled) // ACROSS))
    legend.draw(figure, 1.0, 1.0)
    for index, one in enumerate(pooled):
        left, upper = (index % ACROSS) * panel + 1, top + (index // ACROSS) * pitch
        letter(figure, left, upper, index)
        write_lines(figure, left + 5, upper, texts[index])
        _panel(figure, one, (left, upper + head, panel - 3, body), labels, lang)
    return figure


def _panel(
    figure: Figure, one: PooledResult, box: tuple[float, float, float, float], labels: float, lang: str
) -> None:
    left, top, width, body = box
    axes = add_axes(figure, left + labels, top, width - labels, body - 8)
    marks.zero_line(axes, vertical=True)
    heaviest = max(r.weight for r in one.rows)
    for y, row in enumerate(one.rows):
        axes.plot([row.ci_low, row.ci_high], [y, y], color=BLUE, linewidth=0.9)
        size = 1.6 + 3.2 * float(np.sqrt(row.weight / heaviest))
        axes.plot([row.estimate], [y], "s", color=BLUE, markersize=size, markeredgewidth=0)
    last = len(one.rows)
    if one.prediction_low is not None and one.prediction_high is not None:
        axes.plot(
            [one.prediction_low, one.prediction_high], [last, last], color=GREY, linewidth=0.8, zorder=1
        )
    diamond = [one.ci_low, one.estimate, one.ci_high, one.estimate]
    axes.fill(diamond, [last, last - 0.32, last, last + 0.32], color=BLACK, linewidth=0, zorder=3)
    axes.set_ylim(last + 0.6, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    plain_ticks(axes.xaxis, 4)
    axes.set_xlabel(axis_label(_name(one, lang) + " " + say("change_percent", lang), width - labels))
    inner = settle(axes, left + labels, top, width - labels, body)
    place(axes, inner[0], top, inner[2], ROW_MM * (last + 1))
    for y, text in enumerate([*(one_line(r.label) for r in one.rows), say("pooled", lang)]):
        middle = top + ROW_MM * (y + 0.5)
        write_text(figure, left + labels - 1.5, middle, shortened(text, labels - 2), ha="right", va="center")


def _entries(pooled: Sequence[PooledResult], lang: str) -> list[Entry]:
    entries = [Entry(say("one_set", lang), BLUE, "s"), Entry(say("pooled_mean", lang), BLACK, "D")]
    if any(p.prediction_low is not None for p in pooled):
        entries.append(Entry(say("another_set", lang), GREY, line="-"))
    return entries


def _name(one: PooledResult, lang: str) -> str:
    return say("error_mae", lang) if one.what == "error" else axis_name(one.what, lang, unit=False)


def _summary(one: PooledResult, lang: str) -> str:
    parts = [
        f"{with_interval(one.estimate, one.ci_low, one.ci_high, lang)} %",
        p_text(one.p_value),
        f"k = {one.k}",
        f"I² = {fixed(100 * one.i_squared, 0)} %",
    ]
    return say("stop", lang).join(parts)


def write_forest(
    pooled: Sequence[PooledResult],
    out_dir: str | os.PathLike[str],
    *,
    langs: Sequence[str] = language.BUILT_IN,
    formats: Sequence[str] = ("png", "pdf", "svg"),
) -> FigureRecord:
    """Write the figure of several data sets as ``several_data_sets.<format>``.

    Args:
        pooled: As ``stats.pool_results`` returns them.
        out_dir: Folder.
        langs: Languages of labels and caption.
        formats: ``png``, ``pdf``, ``svg``.

    Raises:
        UsageError: When nothing was pooled, or over different data sets.
    """
    if not pooled or len({tuple(r.label for r in p.rows) for p in pooled}) != 1:
        raise UsageError("a figure of several data sets needs changes pooled over the same data sets.")
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    captions = {lang: caption(pooled, lang) for lang in langs}
    files: list[Path] = []
    with context():
        for lang in langs:
            files += save(draw(pooled, lang), folder, NAME, formats, lang, title=captions[lang])
    return FigureRecord(NAME, tuple(files), captions, dict(captions))


def caption(pooled: Sequence[PooledResult], lang: str) -> str:
    """The figure's caption; every number is a field of the pooled results."""
    predicted = any(p.prediction_low is not None for p in pooled)
    names = {p.what: _name(p, lang) for p in pooled}
    means = [
        pick(_MEAN, lang).format(
            what=names[p.what][:1].upper() + names[p.what][1:],
            mean=with_interval(p.estimate, p.ci_low, p.ci_high, lang),
            p=p_text(p.p_value),
            share=fixed(100 * p.i_squared, 0),
        )
        for p in pooled
    ]
    return pick(_CAPTION, lang).format(
        what=say("list_comma", lang).join(names.values()),
        k=pooled[0].k,
        prediction=pick(_PREDICTION, lang) if predicted else "",
        means=say("sentence_gap", lang).join(means),
    )
