"""One panel of a heat map: the atoms in groups of elements, the words, and bars of the means beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from crysmm_attn_plugin.reports.figures.arms import Arm
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    FONT_PT,
    GREY,
    LINE,
    SMALL_PT,
    add_axes,
    size_mm,
    write_text,
)
from crysmm_attn_plugin.reports.figures.word_maps import MergedMaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Left, top, width and height in millimetres from the figure's upper left corner.
Box = tuple[float, float, float, float]
#: Bars in one artist: matplotlib sets no larger path on whole pixels.
AT_ONCE = 200

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
    colour = GREY if signed else arm.colour
    _bars_above(figure, (left, top + title_height, width, above), values.mean(0), gaps, colour, signed)
    if not signed:
        _bars_beside(figure, (left + width + 0.5, body, side - 0.5, height), values, arm.colour)
    return image


def _bars_beside(figure: Figure, at: Box, values: np.ndarray, colour: str) -> None:
    """The largest weight of every row, as bars from the left."""
    left, top, width, height = at
    lengths = values.max(1) / max(float(values.max()), 1e-12) * width
    row = height / len(values)
    tops = top + (np.arange(len(values)) + 0.1) * row
    _bars(figure, np.full(len(values), left), left + lengths, tops, tops + 0.8 * row, colour)


def _bars_above(
    figure: Figure, at: Box, means: np.ndarray, gaps: Sequence[int], colour: str, signed: bool
) -> None:
    """The mean weight of every column, as bars from the bottom or, where signed, from the middle."""
    left, top, width, height = at
    reach = max(float(np.abs(means).max()), 1e-12)
    column = width / len(means)
    ground = top + height / (2 if signed else 1)
    lefts = left + (np.arange(len(means)) + 0.1) * column
    ends = ground - means / reach * (ground - top)
    _bars(figure, lefts, lefts + 0.8 * column, np.full(len(means), ground), ends, colour)
    lines = [((left, ground), (left + width, ground), GREY, 0.4)] if signed else []
    for gap in gaps:
        x = left + gap * column
        lines.append(((x, top + height), (x, top + 1.14 * height), BLACK, 0.5))
    wide, tall = size_mm(figure)
    for start, end, ink, thick in lines:
        across, down = np.array([start, end]).T
        line = Line2D(
            across / wide, 1 - down / tall, color=ink, linewidth=thick, transform=figure.transFigure, zorder=2
        )
        figure.add_artist(line)


def _bars(
    figure: Figure, lefts: np.ndarray, rights: np.ndarray, starts: np.ndarray, ends: np.ndarray, colour: str
) -> None:
    """Upright rectangles in millimetres from the upper left corner, many to an artist."""
    wide, tall = size_mm(figure)
    corners = np.stack([lefts, starts, rights, starts, rights, ends, lefts, ends, lefts, starts], axis=1)
    corners = corners.reshape(-1, 5, 2) / (wide, tall)
    corners[..., 1] = 1 - corners[..., 1]
    codes = np.array([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], Path.code_type)
    for first in range(0, len(corners), AT_ONCE):
        part = corners[first : first + AT_ONCE]
        path = Path(part.reshape(-1, 2), np.tile(codes, len(part)))
        figure.add_artist(
            PathPatch(path, facecolor=colour, linewidth=0, transform=figure.transFigure, clip_on=False)
        )
