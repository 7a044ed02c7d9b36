"""Specification curve: the same difference under every defensible way of computing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    BLUE,
    DOUBLE_MM,
    GREY,
    PALE,
    SMALL_PT,
    VERMILLION,
    add_axes,
    letter,
    new_figure,
    one_line,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import metric_label, say
from crysmm_attn_plugin.stats.results import ComparisonResult, PairComparison, Specification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHOICES = ("direction", "scope", "aggregation", "subset")
LEFT_MM, TOP_MM, CURVE_MM, ROW_MM = 24.0, 6.0, 30.0, 2.7
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
    figure = new_figure(DOUBLE_MM, TOP_MM + CURVE_MM + 3 + below + 6)
    width = (DOUBLE_MM - LEFT_MM - 2) / max(len(metrics), 1)
    for k, metric in enumerate(metrics):
        rows = sorted((s for s in found if s.metric == metric), key=lambda s: s.mean_difference)
        left = LEFT_MM + k * width
        letter(figure, left - 1.5, 0.8, k)
        write_text(figure, left + 3, 1.4, metric_label(metric, lang), fontsize=6.5)
        curve = add_axes(figure, left + 8, TOP_MM, width - 9, CURVE_MM)
        _curve(curve, rows, pair, first=k == 0)
        matrix = add_axes(figure, left + 8, TOP_MM + CURVE_MM + 3, width - 9, below)
        _matrix(matrix, rows, options, lang, labelled=k == 0)
    write_text(
        figure, LEFT_MM + 8, TOP_MM + CURVE_MM + 3 + below + 1.5, say("specifications", lang), fontsize=6.5
    )
    return figure


def _curve(axes: Axes, rows: Sequence[Specification], pair: PairComparison, *, first: bool) -> None:
    marks.zero_line(axes)
    for x, s in enumerate(rows):
        colour = BLUE if s.ci_high < 0 else VERMILLION if s.ci_low > 0 else GREY
        axes.plot(
            [x, x], [s.ci_low, s.ci_high], color=colour, linewidth=0.6, alpha=0.55, solid_capstyle="butt"
        )
        axes.plot([x], [s.mean_difference], "o", markersize=1.5, color=colour, markeredgewidth=0)
        if (s.direction, s.scope, s.aggregation, s.subset) == REPORTED:
            axes.plot(
                [x],
                [s.mean_difference],
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
    if first:
        axes.set_ylabel(f"{one_line(pair.arm, 16)} − {one_line(pair.baseline, 16)}")


def _matrix(
    axes: Axes,
    rows: Sequence[Specification],
    options: Sequence[tuple[str, str]],
    lang: str,
    *,
    labelled: bool,
) -> None:
    for y, (choice, value) in enumerate(options):
        x = np.array([i for i, s in enumerate(rows) if getattr(s, choice) == value])
        axes.plot(x, np.full(len(x), y), "|", color=BLACK, markersize=3.6, markeredgewidth=0.7)
        if y and options[y - 1][0] != choice:
            axes.axhline(y - 0.5, color=PALE, linewidth=0.5)
    axes.set_xlim(-1, len(rows))
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks(range(len(options)), [say(v, lang) for _, v in options] if labelled else [])
    axes.tick_params(axis="y", length=0, labelsize=SMALL_PT)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
