"""Change in attention against change in error, and what the statistics allow to be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    DOUBLE_MM,
    GREY,
    add_axes,
    arm_colours,
    letter,
    new_figure,
    one_line,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import fixed, metric_label, p_text, say
from crysmm_attn_plugin.stats.results import ComparisonResult, CouplingResult, PairComparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def available(result: ComparisonResult) -> list[PairComparison]:
    """Pairs for which a relation between attention and error was computed."""
    return [p for p in result.pairs if p.coupling]


def draw(result: ComparisonResult, samples: pd.DataFrame, lang: str = "en") -> Figure:
    """One row of panels per arm, one panel per primary metric."""
    pairs = available(result)
    colours = arm_colours(result.baseline, [a.name for a in result.arms])
    several = len(pairs) > 1
    head = 12.0 if several else 9.3
    row = head + 40.0
    figure = new_figure(DOUBLE_MM, row * len(pairs) + 1)
    unit = f" [{one_line(result.unit, 10)}]" if result.unit else ""
    for y, pair in enumerate(pairs):
        found = [c for c in pair.coupling if c.metric in PRIMARY] or list(pair.coupling)[:4]
        width = (DOUBLE_MM - 3) / max(len(found), 1)
        for x, item in enumerate(found):
            left, top = x * width + 1, y * row + 1
            letter(figure, left, top, y * len(found) + x)
            axes = add_axes(figure, left + 11, top + head, width - 13, 30)
            marks.zero_line(axes)
            marks.zero_line(axes, vertical=True)
            dx = _change(samples, item.metric, pair)
            dy = _change(samples, "abs_error", pair)
            if dx is not None and dy is not None:
                marks.cloud(axes, dx, dy, colours[pair.arm], contours=True)
            plain_ticks(axes.xaxis, 4)
            plain_ticks(axes.yaxis, 4)
            axes.set_xlabel(_axis_label(item.metric, lang))
            if x == 0:
                axes.set_ylabel(say("change_in_error", lang) + unit)
            name = f"{one_line(pair.arm, 18)} − {one_line(pair.baseline, 18)}"
            lines = [*([name] if several else []), *_lines(item, lang)]
            for line, text in enumerate(lines):
                last = line == len(lines) - 1
                write_text(figure, left + 11, top + 0.6 + 2.7 * line, text, color=GREY if last else BLACK)
    return figure


def _axis_label(metric: str, lang: str) -> str:
    name, unit = metric_label(metric, lang, unit=False), metric_label(metric, lang)
    return say("change_in", lang, what=name) + unit.removeprefix(name)


def _change(samples: pd.DataFrame, column: str, pair: PairComparison) -> np.ndarray | None:
    a, b = f"{column}.{pair.arm}", f"{column}.{pair.baseline}"
    if a not in samples or b not in samples:
        return None
    return samples[a].to_numpy(float) - samples[b].to_numpy(float)


def _lines(item: CouplingResult, lang: str) -> list[str]:
    interval = f"{fixed(item.spearman, 2)} [{fixed(item.ci_low, 2)}, {fixed(item.ci_high, 2)}]"
    tested = f"{p_text(item.p_value)}; N = {item.n}"
    return [
        f"{say('spearman', lang)} {interval}",
        tested,
        say("co_varied" if item.co_varied else "not_co_varied", lang),
    ]
