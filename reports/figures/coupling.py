"""Change in attention against change in error, and what the statistics allow to be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.arms import arms_of
from crysmm_attn_plugin.reports.figures.measure import (
    LINE_MM,
    Entry,
    Legend,
    axis_label,
    lines_of,
    place,
    settle,
    write_lines,
)
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    DOUBLE_MM,
    GREY,
    add_axes,
    letter,
    new_figure,
    one_line,
    plain_ticks,
)
from crysmm_attn_plugin.reports.figures.wording import axis_name, p_text, say, with_interval
from crysmm_attn_plugin.reports.prose.property_names import unit_name
from crysmm_attn_plugin.stats.results import ComparisonResult, CouplingResult, PairComparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BODY_MM = 37.0


def available(result: ComparisonResult) -> list[PairComparison]:
    """Pairs for which a relation between attention and error was computed."""
    return [p for p in result.pairs if p.coupling]


def draw(result: ComparisonResult, samples: pd.DataFrame, lang: str = "en") -> Figure:
    """One row of panels per arm, one panel per primary metric."""
    pairs = available(result)
    arms = {a.name: a for a in arms_of(result, lang)}
    found = [[c for c in p.coupling if c.metric in PRIMARY] or list(p.coupling)[:4] for p in pairs]
    width = (DOUBLE_MM - 2) / max(len(f) for f in found)
    lines = [[lines_of(line, width - 7) for line in _lines(c, lang)] for f in found for c in f]
    head = LINE_MM * max(sum(map(len, rows)) for rows in lines) + 1.2
    entries = [
        Entry(f"{arms[p.arm].label} − {arms[p.baseline].label}", arms[p.arm].colour, arms[p.arm].shape)
        for p in pairs
    ]
    named = Legend(entries, DOUBLE_MM - 2)
    top = named.height + 2.0
    row = head + BODY_MM + 2.5
    figure = new_figure(DOUBLE_MM, top + row * len(pairs))
    named.draw(figure, 1.0, 1.0)
    unit = f" [{one_line(unit_name(result.unit, lang), 10)}]" if result.unit else ""
    index = 0
    placed = []
    for y, (pair, items) in enumerate(zip(pairs, found)):
        for x, item in enumerate(items):
            left, upper = x * width + 1, top + y * row
            letter(figure, left, upper, index)
            axes = add_axes(figure, left + 11, upper + head, width - 13, BODY_MM - 8)
            marks.zero_line(axes)
            marks.zero_line(axes, vertical=True)
            dx, dy = _change(samples, item.metric, pair), _change(samples, "abs_error", pair)
            arm = arms[pair.arm]
            if dx is not None and dy is not None:
                marks.cloud(axes, dx, dy, arm.colour, shape=arm.shape, contours=True)
            plain_ticks(axes.xaxis, 4)
            plain_ticks(axes.yaxis, 4)
            axes.set_xlabel(axis_label(_axis_label(item.metric, lang), width - 12))
            if x == 0:
                axes.set_ylabel(axis_label(say("change_in_error", lang) + unit, BODY_MM - 8))
            above = upper
            for k, rows in enumerate(lines[index]):
                colour = GREY if k == len(lines[index]) - 1 else BLACK
                above += write_lines(figure, left + 5, above, rows, color=colour)
            placed.append((axes, settle(axes, left, upper + head, width - 1.5, BODY_MM)))
            index += 1
    # the lowest labels decide for all: panels of one row stand on one line
    tall = min(box[3] for _, box in placed)
    for axes, (left, upper, wide, _) in placed:
        place(axes, left, upper, wide, tall)
    return figure


def _axis_label(metric: str, lang: str) -> str:
    name, unit = axis_name(metric, lang, unit=False), axis_name(metric, lang)
    return say("change_in", lang, what=name) + unit.removeprefix(name)


def _change(samples: pd.DataFrame, column: str, pair: PairComparison) -> np.ndarray | None:
    a, b = f"{column}.{pair.arm}", f"{column}.{pair.baseline}"
    if a not in samples or b not in samples:
        return None
    return np.asarray(samples[a].to_numpy(float) - samples[b].to_numpy(float))


def _lines(item: CouplingResult, lang: str) -> list[str]:
    interval = with_interval(item.spearman, item.ci_low, item.ci_high, lang, sign=False, decimals=2)
    tested = f"{p_text(item.p_value)}; N = {item.n}"
    return [
        f"{say('spearman', lang)} {interval}",
        tested,
        say("co_varied" if item.co_varied else "not_co_varied", lang),
    ]
