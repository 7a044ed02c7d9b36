"""One panel of a heat map: the atoms in groups of elements, the words, and bars of the means beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize

from crysmm_attn_plugin.reports.figures.arms import Arm
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    FONT_PT,
    GREY,
    LINE,
    SMALL_PT,
    add_axes,
    write_text,
)
from crysmm_attn_plugin.reports.figures.word_maps import MergedMaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Height of an atom's row with its own label, and the least one at which the label still fits.
ROW_MM, LEAST_MM = 2.6, 2.3
GROUPED_MM = 62.0


@dataclass(frozen=True)
class Rows:
    """The atoms in the order they are drawn.

    Attributes:
        order: Positions of the atoms, grouped by element.
        bounds: Element, first row, one past the last.
        labels: One an atom, or one a group where the rows are too low for that.
        places: Row of each label.
        named: Does every atom have its own label?
        height: Of all rows, in millimetres.
    """

    order: tuple[int, ...]
    bounds: tuple[tuple[str, int, int], ...]
    labels: tuple[str, ...]
    places: tuple[float, ...]
    named: bool
    height: float


def rows_of(merged: MergedMaps, room: float) -> Rows:
    """Rows of the maps in at most ``room`` millimetres."""
    symbols = list(dict.fromkeys(merged.elements))
    count = len(merged.elements)
    order = sorted(range(count), key=lambda i: (symbols.index(merged.elements[i]), i))
    bounds = []
    for symbol in symbols:
        mine = [row for row, i in enumerate(order) if merged.elements[i] == symbol]
        bounds.append((symbol, mine[0], mine[-1] + 1))
    if count * LEAST_MM <= room:
        height = max(min(count * ROW_MM, room), 5.2)
        labels = tuple(merged.row_labels[i] for i in order)
        return Rows(tuple(order), tuple(bounds), labels, tuple(map(float, range(count))), True, height)
    height = max(min(GROUPED_MM, room), LEAST_MM * len(bounds))
    middles = [(start + end - 1) / 2 for _, start, end in bounds]
    labels = tuple(f"{symbol} ({end - start})" for symbol, start, end in bounds)
    places = _spread(middles, LEAST_MM * count / height, count - 0.5)
    return Rows(tuple(order), tuple(bounds), labels, places, False, height)


def _spread(places: Sequence[float], least: float, last: float) -> tuple[float, ...]:
    """Places pushed apart until neighbours are ``least`` apart, none beyond the last row."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + least) if out else place)
    limit = last
    for k in range(len(out) - 1, -1, -1):
        out[k] = min(out[k], limit)
        limit = out[k] - least
    return tuple(out)


def draw_panel(
    figure: Figure,
    values: np.ndarray,
    at: tuple[float, float, float],
    *,
    heights: tuple[float, float, float, float],
    title: str,
    colours: tuple[str, Normalize],
    rows: Rows | None,
    bounds: Sequence[tuple[str, int, int]],
    words: Sequence[str] | None,
    gaps: Sequence[int],
    arm: Arm,
) -> Any:
    """Draw one map with its title, the bars above and at the right, and its labels.

    Args:
        figure: Where.
        values: (atoms, words), in the order of the rows.
        at: Left, top and width in millimetres, the title's line included.
        heights: Of the title, the bars above and the rows; width of the bars at the right.
        title: Above.
        colours: Colour map and its scale.
        rows: Labels of the rows, None where a neighbour has them.
        bounds: Groups of elements.
        words: Labels of the columns, None where a panel below has them.
        gaps: Columns before which words were left out.
        arm: Whose map it is.

    Returns:
        The image.
    """
    left, top, width = at
    title_height, above, height, side = heights
    write_text(figure, left, top, title, fontsize=FONT_PT)
    body = top + title_height + above
    axes = add_axes(figure, left, body, width, height)
    image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap=colours[0], norm=colours[1])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(LINE)
    # thinner than a row, or the line would hide the atoms of a small group
    parted = min(0.7, 0.3 * height / max(len(values), 1) * 72 / 25.4)
    for _, _, end in list(bounds)[:-1]:
        axes.axhline(end - 0.5, color="white", linewidth=parted)
    axes.set_yticks(rows.places if rows else [], rows.labels if rows else [])
    axes.tick_params(axis="y", length=0, labelsize=SMALL_PT)
    count = values.shape[1]
    axes.set_xticks(range(count) if words else [], words or [], rotation=90, ha="center", va="top")
    axes.tick_params(axis="x", length=1.2, labelsize=SMALL_PT, pad=1.0)
    signed = float(colours[1].vmin or 0.0) < 0
    _bars_above(add_axes(figure, left, top + title_height, width, above), values.mean(0), gaps, arm, signed)
    if not signed:
        beside = add_axes(figure, left + width + 0.5, body, side - 0.5, height)
        beside.barh(range(len(values)), values.max(1), height=0.8, color=arm.colour, linewidth=0)
        beside.set_ylim(len(values) - 0.5, -0.5)
        beside.set_xlim(0, max(float(values.max()), 1e-12))
        _bare(beside)
    return image


def _bars_above(axes: Axes, means: np.ndarray, gaps: Sequence[int], arm: Arm, signed: bool) -> None:
    axes.bar(range(len(means)), means, width=0.8, color=GREY if signed else arm.colour, linewidth=0)
    axes.set_xlim(-0.5, len(means) - 0.5)
    reach = max(float(np.abs(means).max()), 1e-12)
    axes.set_ylim(-reach if signed else 0, reach)
    if signed:
        axes.axhline(0, color=GREY, linewidth=0.4)
    for column in gaps:
        axes.plot(
            [column - 0.5] * 2,
            [0.0, -0.14],
            transform=axes.get_xaxis_transform(),
            color=BLACK,
            linewidth=0.5,
            clip_on=False,
        )
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
