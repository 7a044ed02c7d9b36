"""Concentration over training: each run's mean over the test crystals, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures.style import (
    DOUBLE_MM,
    add_axes,
    arm_colours,
    letter,
    new_figure,
    one_line,
    plain_ticks,
)
from crysmm_attn_plugin.reports.figures.wording import metric_label, say
from crysmm_attn_plugin.stats.results import ComparisonResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def draw(result: ComparisonResult, lang: str = "en") -> Figure:
    """One panel per metric; a line per run (dashes tell an arm's runs apart), a band for its interval."""
    metrics = [m for m in PRIMARY if any(e.metric == m for e in result.epochs)]
    metrics += [m for m in dict.fromkeys(e.metric for e in result.epochs) if m not in metrics]
    colours = arm_colours(result.baseline, [a.name for a in result.arms])
    legend = 3.6
    row = 45.0
    figure = new_figure(DOUBLE_MM, legend + row * max(1, -(-len(metrics) // 2)) + 1)
    handles: dict[str, Any] = {}
    for index, metric in enumerate(metrics):
        left, top = (index % 2) * DOUBLE_MM / 2, legend + (index // 2) * row + 1
        letter(figure, left + 0.8, top, index)
        axes = add_axes(figure, left + 14, top + 1, DOUBLE_MM / 2 - 18, row - 10)
        for arm, colour in colours.items():
            runs = list(dict.fromkeys(e.run_id for e in result.epochs if e.arm == arm))
            for k, run in enumerate(runs):
                mine = [e for e in result.epochs if (e.arm, e.run_id, e.metric) == (arm, run, metric)]
                mine.sort(key=lambda e: e.epoch)
                x = np.array([e.epoch for e in mine])
                style = STYLES[k % len(STYLES)]
                axes.fill_between(
                    x,
                    [e.ci_low for e in mine],
                    [e.ci_high for e in mine],
                    color=colour,
                    alpha=0.15,
                    linewidth=0,
                )
                line = axes.plot(
                    x,
                    [e.mean for e in mine],
                    color=colour,
                    linewidth=0.9,
                    linestyle=style,
                    marker="o" if len(x) < 25 else None,
                    markersize=1.8,
                    markeredgewidth=0,
                )[0]
                handles.setdefault(one_line(arm, 40), line)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        plain_ticks(axes.yaxis)
        axes.set_ylabel(metric_label(metric, lang))
        axes.set_xlabel(say("epoch", lang))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="upper left",
        bbox_to_anchor=(13 / DOUBLE_MM, 1.0),
        ncols=len(handles),
        columnspacing=1.5,
        borderpad=0.2,
    )
    return figure
