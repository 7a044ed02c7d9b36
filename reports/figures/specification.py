"""Specification curve: the same difference under every defensible way of computing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.arms import arms_of
from crysmm_attn_plugin.reports.figures.measure import (
    Entry,
    Legend,
    place,
    settle,
    shortened,
    width_mm,
)
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    BLUE,
    DOUBLE_MM,
    FONT_PT,
    GREY,
    PALE,
    VERMILLION,
    add_axes,
    letter,
    new_figure,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import axis_name, say
from crysmm_attn_plugin.stats.results import ComparisonResult, PairComparison, Specification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHOICES = ("direction", "scope", "aggregation", "subset")
TITLE_MM, CURVE_MM, ROW_MM = 4.0, 30.0, 2.7
REPORTED = ("atom_to_text", "with_special", "metric_then_heads", "all crystals")


def available(result: ComparisonResult) -> list[PairComparison]:
    """Pairs that have a specification curve."""
    return [p for p in result.pairs if p.specifications]


def draw(result: ComparisonResult, pair: PairComparison, lang: str = "en") -> Figure:
    """A column per primary metric: sorted differences with intervals, and below which choices each one made.

    Blue and vermillion intervals exclude zero (negative and positive); grey ones do not. The open circle
    is the specification the text reports.
    """
    found = list(pair.specifications)
    metrics = [m for m in PRIMARY if any(s.metric == m for s in found)]
    options = [
        (choice, value) for choice in CHOICES for value in dict.fromkeys(getattr(s, choice) for s in found)
    ]
    options = [o for o in options if len({getattr(s, o[0]) for s in found}) > 1]
    below = ROW_MM * len(options)
    labels = max((width_mm(say(v, lang)) for _, v in options), default=0.0) + 2.5
    names = {a.name: a.label for a in arms_of(result, lang)}
    legend = Legend(
        [
            Entry(say("below_zero", lang), BLUE, line="-"),
            Entry(say("above_zero", lang), VERMILLION, line="-"),
            Entry(say("holds_zero", lang), GREY, line="-"),
            Entry(say("reported", lang), marker="o", hollow=True),
        ],
        DOUBLE_MM - 2,
    )
    top = legend.height + 2.2
    figure = new_figure(DOUBLE_MM, top + TITLE_MM + CURVE_MM + 2 + below + 4.5)
    legend.draw(figure, 1.0, 1.0)
    name = _name(names[pair.arm], names[pair.baseline])
    labels = max(labels, 14.0)
    start = labels
    width = (DOUBLE_MM - labels - 2) / max(len(metrics), 1)
    for k, metric in enumerate(metrics):
        rows = sorted((s for s in found if s.metric == metric), key=lambda s: s.mean_difference)
        left = labels + k * width
        letter(figure, left - (4 if k == 0 else 0), top, k)
        title = shortened(axis_name(metric, lang), width - 8, FONT_PT)
        write_text(figure, left + 5, top + 0.3, title, fontsize=FONT_PT)
        curve = add_axes(figure, left + 8, top + TITLE_MM, width - 9, CURVE_MM)
        _curve(curve, rows)
        # the first column's axis label stands above the choices' labels
        before = 9.0 if k == 0 else 0.0
        if k == 0:
            curve.set_ylabel(name)
        box = settle(curve, left - before, top + TITLE_MM, width - 1 + before, CURVE_MM)
        matrix = add_axes(figure, box[0], top + TITLE_MM + CURVE_MM + 2, box[2], below)
        _matrix(matrix, rows, options)
        if k == 0:
            for y, (_, value) in enumerate(options):
                write_text(
                    figure,
                    box[0] - 1.5,
                    top + TITLE_MM + CURVE_MM + 2 + ROW_MM * (y + 0.5),
                    say(value, lang),
                    ha="right",
                    va="center",
                )
            place(curve, box[0], top + TITLE_MM, box[2], CURVE_MM)
            start = box[0]
    write_text(
        figure,
        start,
        top + TITLE_MM + CURVE_MM + 2 + below + 1.0,
        say("specifications", lang),
        fontsize=FONT_PT,
    )
    return figure


def _name(arm: str, baseline: str) -> str:
    """The difference's name along the curve: on one line, else the arm above the baseline."""
    whole = f"{arm} − {baseline}"
    if width_mm(whole, FONT_PT) <= CURVE_MM:
        return whole
    return "\n".join(shortened(line, CURVE_MM, FONT_PT) for line in (arm, f"− {baseline}"))


def _curve(axes: Axes, rows: Sequence[Specification]) -> None:
    marks.zero_line(axes)
    places = np.arange(len(rows))
    colours = np.array([BLUE if s.ci_high < 0 else VERMILLION if s.ci_low > 0 else GREY for s in rows])
    means = np.array([s.mean_difference for s in rows], float)
    low, high = (np.array([getattr(s, end) for s in rows], float) for end in ("ci_low", "ci_high"))
    axes.vlines(places, low, high, colors=colours.tolist(), linewidth=0.6, alpha=0.55, capstyle="butt")
    for colour in dict.fromkeys(colours.tolist()):
        at = colours == colour
        axes.plot(places[at], means[at], "o", markersize=1.5, color=colour, markeredgewidth=0)
    told = np.array([(s.direction, s.scope, s.aggregation, s.subset) == REPORTED for s in rows], bool)
    axes.plot(
        places[told],
        means[told],
        "o",
        markersize=4.5,
        markerfacecolor="none",
        markeredgecolor=BLACK,
        markeredgewidth=0.8,
        zorder=6,
    )
    axes.set_xlim(-1, len(rows))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    plain_ticks(axes.yaxis, 4)


def _matrix(
    axes: Axes,
    rows: Sequence[Specification],
    options: Sequence[tuple[str, str]],
) -> None:
    for y, (choice, value) in enumerate(options):
        x = np.array([i for i, s in enumerate(rows) if getattr(s, choice) == value])
        axes.plot(x, np.full(len(x), y), "|", color=BLACK, markersize=3.6, markeredgewidth=0.7)
        if y and options[y - 1][0] != choice:
            axes.axhline(y - 0.5, color=PALE, linewidth=0.5)
    axes.set_xlim(-1, len(rows))
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
