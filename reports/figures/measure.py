"""Layout from what the text really measures: widths, line breaks, legends, and axes that fit their box."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from crysmm_attn_plugin.reports.figures import typefaces
from crysmm_attn_plugin.reports.figures.style import BLACK, DPI, FONT_PT, PALE, SMALL_PT, size_mm, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM = 25.4 / DPI
#: Line pitch of small text.
LINE_MM = 2.75
#: What may not begin a line in Chinese.
_CLOSING = "，。；：、）］｝】》”’！？％,.;:)]}%!?"
#: A symbol, its relation and its value stay on one line.
_PIECES = re.compile(
    r"(?:[Nkpρ] [=<≤] [^\s\u2e80-\u9fff\uf900-\uffef]+\s*)|"
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]|[^\s\u2e80-\u9fff\uf900-\uffef]+\s*|\s+"
)


def width_mm(text: str, size: float = SMALL_PT, weight: str = "normal") -> float:
    """Width of a text as it is drawn, in millimetres; the widest line of several."""
    return max(
        (_measured(line, size, weight, typefaces.families()) for line in text.split("\n")), default=0.0
    )


@lru_cache(maxsize=1)
def _renderer() -> RendererAgg:
    return RendererAgg(8, 8, DPI)


@lru_cache(maxsize=50_000)
def _measured(text: str, size: float, weight: str, families: tuple[str, ...]) -> float:
    if not text:
        return 0.0
    properties = typefaces.properties(size, weight)
    properties.set_family(list(families))
    width, _, _ = _renderer().get_text_width_height_descent(text, properties, False)
    return float(width) * MM


#: How far the sum of characters may be from a text's width: this share of it, and so many millimetres.
ROUGH_SHARE, ROUGH_MM = 0.15, 0.4


def fits(text: str, width: float, size: float = SMALL_PT) -> bool:
    """Whether a text is at most ``width`` millimetres wide; measured as a whole only where its characters leave doubt."""
    if len(text) > 3 and "\n" not in text:
        names = typefaces.families()
        rough = sum(_advance(character, size, names) for character in text)
        doubt = ROUGH_SHARE * rough + ROUGH_MM
        if abs(rough - width) > doubt:
            return rough < width
    return width_mm(text, size) <= width


@lru_cache(maxsize=10_000)
def _advance(character: str, size: float, families: tuple[str, ...]) -> float:
    """What a character adds to a line, kerning aside."""
    around = _measured("nn", size, "normal", families)
    return _measured(f"n{character}n", size, "normal", families) - around


def shortened(text: str, width: float, size: float = SMALL_PT) -> str:
    """``text`` cut to a width in millimetres, in its middle: names of one family differ at their ends."""
    if fits(text, width, size):
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        if fits(_cut(text, kept), width, size):
            low = kept
        else:
            high = kept - 1
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    front = -(-kept // 2)
    return text[:front].rstrip() + "…" + (text[len(text) - (kept - front) :].lstrip() if kept > front else "")


def lines_of(text: str, width: float, size: float = SMALL_PT, most: int = 99) -> list[str]:
    """A text broken into lines of at most ``width`` millimetres; the last of ``most`` lines is shortened."""
    rows: list[str] = []
    line = ""
    for piece in _pieces(text, width, size):
        if line and not fits((line + piece).rstrip(), width, size):
            rows.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    if line.strip():
        rows.append(line.rstrip())
    if len(rows) > most:
        rows = [*rows[: most - 1], shortened(" ".join(rows[most - 1 :]), width, size)]
    return rows


def _pieces(text: str, width: float, size: float) -> list[str]:
    """Where a text may be broken: at spaces, between Chinese characters, in a long name after ``_``, ``-``, ``+``, ``/``."""
    found: list[str] = []
    for piece in _PIECES.findall(text):
        if found and piece.strip() and piece.strip() in _CLOSING and found[-1] == found[-1].rstrip():
            found[-1] += piece
            continue
        if fits(piece.rstrip(), width, size):
            found.append(piece)
            continue
        for part in re.findall(r"[^_\-+/.]*[_\-+/.]|[^_\-+/.]+", piece):
            while not fits(part.rstrip(), width, size) and len(part) > 1:
                n = next(k for k in range(len(part) - 1, 0, -1) if k == 1 or fits(part[:k], width, size))
                found.append(part[:n])
                part = part[n:]
            found.append(part)
    return found


def wrapped(text: str, width: float, size: float = SMALL_PT, lines: int = 2) -> str | None:
    """``text`` in at most some lines of a width, or None when it does not fit whole."""
    rows = lines_of(text, width, size)
    return "\n".join(rows) if len(rows) <= lines and all(fits(r, width, size) for r in rows) else None


def axis_label(text: str, length: float, size: float = FONT_PT) -> str:
    """An axis' label in as many lines as its length in millimetres asks for."""
    return "\n".join(lines_of(text, length, size, most=3))


def write_lines(figure: Figure, left: float, top: float, lines: Sequence[str], **options: Any) -> float:
    """Lines of small text below each other.

    Returns:
        Their height in millimetres.
    """
    for number, line in enumerate(lines):
        write_text(figure, left, top + number * LINE_MM, line, **options)
    return len(lines) * LINE_MM


@dataclass(frozen=True)
class Entry:
    """One entry of a legend: a marker, a line, or a patch (a colour alone), and its words."""

    text: str
    colour: str = BLACK
    marker: str = ""
    line: Any = ""
    hollow: bool = False


class Legend:
    """Entries set in rows as text is: as many a row as fit the width, long ones broken.

    Attributes:
        height: In millimetres.
    """

    HANDLE, GAP = 4.6, 3.4

    def __init__(self, entries: Sequence[Entry], width: float) -> None:
        self.places: list[tuple[float, float, Entry, list[str]]] = []
        x = y = 0.0
        row = LINE_MM
        for entry in entries:
            lines = lines_of(entry.text, width - self.HANDLE, SMALL_PT, most=3)
            wide = self.HANDLE + max((width_mm(line) for line in lines), default=0.0)
            if x and x + wide > width:
                x, y, row = 0.0, y + row, LINE_MM
            self.places.append((x, y, entry, lines))
            x += wide + self.GAP
            row = max(row, LINE_MM * len(lines))
        self.height = y + row if entries else 0.0

    def draw(self, figure: Figure, left: float, top: float) -> None:
        """Draw it with its upper left corner at a place in millimetres."""
        full_width, full_height = size_mm(figure)
        for x, y, entry, lines in self.places:
            at = left + x
            middle = 1 - (top + y + 1.15) / full_height
            ends = [at / full_width, (at + self.HANDLE - 1.0) / full_width]
            if entry.marker or entry.line:
                centre = [sum(ends) / 2] if not entry.line else ends
                handle = Line2D(
                    centre, [middle] * len(centre), color=entry.colour, marker=entry.marker if not entry.line else "",
                    linestyle=entry.line or "none", linewidth=0.9, markersize=3.6, markeredgewidth=0.8 if entry.hollow else 0,
                    markerfacecolor="none" if entry.hollow else entry.colour, transform=figure.transFigure,
                )  # fmt: skip
                figure.add_artist(handle)
                if entry.line and entry.marker:
                    figure.add_artist(
                        Line2D([sum(ends) / 2], [middle], color=entry.colour, marker=entry.marker, linestyle="none",
                               markersize=2.6, markeredgewidth=0, transform=figure.transFigure)
                    )  # fmt: skip
            else:
                half = 0.8 / full_height
                patch = Rectangle(
                    (ends[0], middle - half), ends[1] - ends[0], 2 * half,
                    facecolor=entry.colour, edgecolor=PALE, linewidth=0.3, transform=figure.transFigure,
                )  # fmt: skip
                figure.add_artist(patch)
            write_lines(figure, at + self.HANDLE, top + y, lines)


def settle(
    axes: Axes, left: float, top: float, width: float, height: float, *, square: bool = False
) -> tuple[float, float, float, float]:
    """Place axes so that they, with ticks, labels and title, fill a box in millimetres from the upper left corner.

    Returns:
        Left, top, width and height of the axes proper.
    """
    figure: Any = axes.figure
    full_width, full_height = size_mm(figure)
    inner = (left, top, width, height)
    before = None
    for _ in range(3):
        margins = _margins(axes)
        wide, tall = max(width - margins[0] - margins[2], 4.0), max(height - margins[1] - margins[3], 4.0)
        if square:
            wide = tall = min(wide, tall)
        inner = (left + margins[0], top + margins[1], wide, tall)
        if inner == before:
            break
        before = inner
        axes.set_position(
            (
                inner[0] / full_width,
                1 - (inner[1] + tall) / full_height,
                wide / full_width,
                tall / full_height,
            )
        )
        _thin(axes)
    return inner


def place(axes: Axes, left: float, top: float, width: float, height: float) -> None:
    """Put the axes proper at a place in millimetres from the figure's upper left corner."""
    figure: Any = axes.figure
    full_width, full_height = size_mm(figure)
    axes.set_position(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def _margins(axes: Axes) -> tuple[float, float, float, float]:
    """How far labels reach beyond the axes: left, top, right, bottom, in millimetres."""
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer()
    axes.apply_aspect()
    inner = axes.bbox
    boxes: list[Any] = [inner]
    for child in (axes, *axes.child_axes):
        locator: Any = child.get_axes_locator()
        child.apply_aspect(locator(child, renderer) if locator is not None else None)
        boxes += [b for axis in (child.xaxis, child.yaxis) if (b := axis.get_tightbbox(renderer)) is not None]
    # titles are moved above the ticks only when the axes are drawn
    for words in (axes.title, *axes.texts):
        if words.get_text():
            boxes.append(words.get_window_extent(renderer))
    union = Bbox.union(boxes)
    left, top = max(inner.x0 - union.x0, 0.0), max(union.y1 - inner.y1, 0.0)
    right, bottom = max(union.x1 - inner.x1, 0.0), max(inner.y0 - union.y0, 0.0)
    return left * MM, top * MM, right * MM, bottom * MM


def _thin(axes: Axes) -> None:
    """Fewer ticks while neighbouring labels of a numeric axis would touch."""
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer()
    for owner in (axes, *axes.child_axes):
        for axis, along in ((owner.xaxis, 0), (owner.yaxis, 1)):
            locator = axis.get_major_locator()
            if not isinstance(locator, MaxNLocator):
                continue
            for count in (4, 3, 2, 1):
                if not _touching(axis, along, renderer):
                    break
                locator.set_params(nbins=count)


def _touching(axis: Any, along: int, renderer: Any) -> bool:
    low, high = sorted(axis.get_view_interval())
    labels = [
        t.label1 if t.label1.get_visible() else t.label2
        for t in axis._update_ticks()
        if low <= t.get_loc() <= high
    ]
    boxes = sorted(
        (b.intervalx if along == 0 else b.intervaly).tolist()
        for b in (t.get_window_extent(renderer) for t in labels if t.get_text())
    )
    least = (1.2 if along == 0 else 0.3) / MM
    return any(b[0] - a[1] < least for a, b in itertools.pairwise(boxes))
