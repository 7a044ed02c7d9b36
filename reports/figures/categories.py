"""Where the attention goes: share of the mass on each kind of word, per arm, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.arms import arms_of
from crysmm_attn_plugin.reports.figures.measure import Entry, Legend, settle
from crysmm_attn_plugin.reports.figures.style import PALE, SINGLE_MM, add_axes, new_figure, plain_ticks
from crysmm_attn_plugin.reports.figures.wording import category_label, say
from crysmm_attn_plugin.stats.results import ComparisonResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: ComparisonResult, lang: str = "en") -> Figure:
    """A mark and interval per word category and arm, in percent of the atom-to-text attention."""
    arms = [a for a in arms_of(result, lang) if any(c.arm == a.name for c in result.categories)]
    rows = [c for c in TOKEN_CATEGORIES if any(m.category == c for m in result.categories)]
    rows += [c for c in dict.fromkeys(m.category for m in result.categories) if c not in rows]
    mass = {(m.arm, m.category): m for m in result.categories}
    legend = Legend([Entry(a.label, a.colour, a.shape) for a in arms], SINGLE_MM - 2)
    body = max(4.6, 2.0 * len(arms) + 1.2) * len(rows) + 8
    figure = new_figure(SINGLE_MM, legend.height + body + 3.2)
    legend.draw(figure, 1.0, 1.0)
    axes = add_axes(figure, 33, legend.height + 2.2, SINGLE_MM - 36, body - 8)
    for k, arm in enumerate(arms):
        offset = (k - (len(arms) - 1) / 2) * min(0.62 / max(len(arms), 1), 0.28)
        for y, category in enumerate(rows):
            one = mass.get((arm.name, category))
            if one is None:
                continue
            at = [y + offset] * 2
            axes.plot([100 * one.ci_low, 100 * one.ci_high], at, color=arm.colour, linewidth=1.1)
            axes.plot(
                [100 * one.mean], at[:1], arm.shape, markersize=3.2, color=arm.colour, markeredgewidth=0
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
    settle(axes, 1.0, legend.height + 2.2, SINGLE_MM - 3.0, body)
    return figure
