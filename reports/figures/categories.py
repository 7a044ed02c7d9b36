"""Where the attention goes: share of the mass on each kind of word, per arm, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import (
    PALE,
    SINGLE_MM,
    add_axes,
    arm_colours,
    new_figure,
    one_line,
    plain_ticks,
)
from crysmm_attn_plugin.reports.figures.wording import category_label, say
from crysmm_attn_plugin.stats.results import ComparisonResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: ComparisonResult, lang: str = "en") -> Figure:
    """A dot and interval per word category and arm, in percent of the atom-to-text attention."""
    arms = [a.name for a in result.arms]
    colours = arm_colours(result.baseline, arms)
    ordered = [a for a in colours if any(c.arm == a for c in result.categories)]
    rows = [c for c in TOKEN_CATEGORIES if any(m.category == c for m in result.categories)]
    rows += [c for c in dict.fromkeys(m.category for m in result.categories) if c not in rows]
    mass = {(m.arm, m.category): m for m in result.categories}
    row_height = max(4.6, 2.0 * len(ordered) + 1.2)
    height = row_height * len(rows)
    legend = 3.2 * len(ordered) + 1.5
    figure = new_figure(SINGLE_MM, legend + height + 10)
    axes = add_axes(figure, 33, legend, SINGLE_MM - 36, height)
    for k, arm in enumerate(ordered):
        offset = (k - (len(ordered) - 1) / 2) * min(0.62 / max(len(ordered), 1), 0.28)
        for y, category in enumerate(rows):
            one = mass.get((arm, category))
            if one is None:
                continue
            axes.plot(
                [100 * one.ci_low, 100 * one.ci_high], [y + offset] * 2, color=colours[arm], linewidth=1.3
            )
            axes.plot(
                [100 * one.mean],
                [y + offset],
                "o",
                markersize=3.4,
                color=colours[arm],
                markeredgewidth=0,
                label=one_line(arm, 40) if y == 0 else None,
            )
    for y in range(len(rows) - 1):
        axes.axhline(y + 0.5, color=PALE, linewidth=0.3)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    most = max((100 * m.ci_high for m in result.categories if m.ci_high == m.ci_high), default=1.0)
    axes.set_xlim(0, marks.padded(0, most)[1])
    axes.set_yticks(range(len(rows)), [category_label(c, lang) for c in rows])
    axes.tick_params(axis="y", length=0)
    plain_ticks(axes.xaxis, 5)
    axes.set_xlabel(say("share", lang))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.005), ncols=1, handletextpad=0.3, labelspacing=0.3)
    return figure
