"""Concentration over training: each run's mean over the test crystals, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures.arms import arms_of
from crysmm_attn_plugin.reports.figures.measure import Entry, Legend, axis_label, settle
from crysmm_attn_plugin.reports.figures.style import DOUBLE_MM, add_axes, letter, new_figure, plain_ticks
from crysmm_attn_plugin.reports.figures.wording import axis_name, say
from crysmm_attn_plugin.stats.results import ComparisonResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def draw(result: ComparisonResult, lang: str = "en") -> Figure:
    """One panel per metric; a line per run (dashes tell an arm's runs apart), a band for its interval."""
    metrics = [m for m in PRIMARY if any(e.metric == m for e in result.epochs)]
    metrics += [m for m in dict.fromkeys(e.metric for e in result.epochs) if m not in metrics]
    arms = [a for a in arms_of(result, lang) if any(e.arm == a.name for e in result.epochs)]
    legend = Legend([Entry(a.label, a.colour, a.shape, "-") for a in arms], DOUBLE_MM - 2)
    top, row = legend.height + 2.5, 42.0
    figure = new_figure(DOUBLE_MM, top + row * max(1, -(-len(metrics) // 2)))
    legend.draw(figure, 1.0, 1.0)
    for index, metric in enumerate(metrics):
        left, upper = (index % 2) * DOUBLE_MM / 2 + 1, top + (index // 2) * row
        letter(figure, left, upper, index)
        axes = add_axes(figure, left + 14, upper, DOUBLE_MM / 2 - 18, row - 10)
        for arm in arms:
            runs = list(dict.fromkeys(e.run_id for e in result.epochs if e.arm == arm.name))
            for k, run in enumerate(runs):
                mine = [e for e in result.epochs if (e.arm, e.run_id, e.metric) == (arm.name, run, metric)]
                mine.sort(key=lambda e: e.epoch)
                x = np.array([e.epoch for e in mine])
                style = STYLES[k % len(STYLES)]
                axes.fill_between(
                    x,
                    [e.ci_low for e in mine],
                    [e.ci_high for e in mine],
                    color=arm.colour,
                    alpha=0.15,
                    linewidth=0,
                )
                axes.plot(
                    x,
                    [e.mean for e in mine],
                    color=arm.colour,
                    linewidth=0.9,
                    linestyle=style,
                    marker=arm.shape if len(x) < 25 else None,
                    markersize=2.4,
                    markeredgewidth=0,
                )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        plain_ticks(axes.yaxis)
        axes.set_ylabel(axis_label(axis_name(metric, lang), row - 12))
        axes.set_xlabel(say("epoch", lang))
        settle(axes, left + 4, upper, DOUBLE_MM / 2 - 7, row - 2)
    return figure
