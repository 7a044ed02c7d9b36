"""Changes under each other, a row each: a mark, its interval, a line at no change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from crysmm_attn_plugin.reports.figures import measure, style, vectors
from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawn(Protocol):
    """A change: its place, its interval, and whether its mark is filled."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def filled(self) -> bool: ...


def draw(
    rows: Sequence[Drawn | None],
    names: Sequence[str],
    axis: str,
    width: float,
    names_mm: float,
    row_mm: float,
) -> Figure:
    """The figure.

    Args:
        rows: What is drawn, from above; None leaves a row empty.
        names: Their names, shortened to their room.
        axis: Label of the horizontal axis.
        width, names_mm, row_mm: Millimetres of the figure, of the names, of a row.
    """
    height = 14.0 + row_mm * len(rows)
    with style.context():
        figure = style.new_figure(width, height)
        axes = style.add_axes(figure, names_mm, 2.0, width - names_mm - 3.0, height - 12.0)
        axes.axvline(0.0, color="0.7", linewidth=0.5)
        for i, mark in enumerate(rows):
            if mark is not None:
                axes.plot([mark.low, mark.high], [i, i], "k-", linewidth=0.8)
                face = "black" if mark.filled else "white"
                axes.plot([mark.value], [i], "o", color="black", mfc=face, markersize=3.2)
        shown = [measure.shortened(style.one_line(name), names_mm) for name in names]
        axes.set_yticks(range(len(rows)), shown)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(axis)
        measure.settle(axes, 1.0, 1.0, width - 2.0, height - 2.0)
    return figure


def save(figure: Figure, path: Path, title: str, prefix: str, description: str) -> str:
    """Write the picture; returns it as an element of the page (``vectors.of_figure``)."""
    with style.context():
        write_atomic(
            path,
            lambda target: figure.savefig(
                target, format="png", bbox_inches="tight", metadata={"Title": title}
            ),
        )
        return vectors.of_figure(figure, prefix, description)
