"""One look for every figure: sizes, fonts, colours, saving. Never touches matplotlib's global state.

Source: Nature's guide for figures (89 and 183 mm wide, sans-serif 5 to 7 pt, text kept as text) and Wong,
"Points of view: Color blindness", Nature Methods 8, 441 (2011), for the palette.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from crysmm_attn_plugin.reports.figures import typefaces
from crysmm_attn_plugin.reports.figures.ruler import Canvas
from crysmm_attn_plugin.reports.figures.saving import contents_of
from crysmm_attn_plugin.reports.language import figure_stem
from crysmm_attn_plugin.store.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SINGLE_MM, DOUBLE_MM = 89.0, 183.0
DPI = 300
FONT_PT, SMALL_PT, LETTER_PT = 6.5, 5.5, 8.0
LINE = 0.6

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#6B6B6B", "#BDBDBD"


@dataclass(frozen=True)
class Dots:
    """Where a figure shows crystals, for readers that let one point at them.

    Attributes:
        x, y: (M,) places as shares of the figure's width and height, from the upper left corner.
        rows: (M,) row of ``samples`` of each.
    """

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    @classmethod
    def none(cls) -> Dots:
        """No place at all."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0, int))


@dataclass(frozen=True)
class FigureRecord:
    """One figure: its files and the words that go with it.

    Attributes:
        name: File stem, for example ``attention_statistics_comparison``.
        files: Every file written.
        captions, alts: Caption and alternative text by language.
        numbers: Values drawn in labels that are not fields of the result, such as counts of words shown.
        dots: Where it shows crystals, by language of the labels; empty for a figure of no single crystals.
    """

    name: str
    files: tuple[Path, ...]
    captions: Mapping[str, str]
    alts: Mapping[str, str]
    numbers: Mapping[str, float] = field(default_factory=dict)
    dots: Mapping[str, Dots] = field(default_factory=dict)

    def path(self, suffix: str, lang: str = "en") -> Path | None:
        """The file of one format in one language, or None when it was not asked for.

        Args:
            suffix: ``png``, ``pdf`` or ``svg``.
            lang: Language of its labels.
        """
        wanted = f"{figure_stem(self.name, lang)}.{suffix}"
        return next((f for f in self.files if f.name == wanted), None)


@contextlib.contextmanager
def context() -> Iterator[None]:
    """Matplotlib settings of every figure, for the duration of a ``with`` block only."""
    settings: dict[str, Any] = {
        "font.family": list(typefaces.families()),
        "font.size": FONT_PT,
        "axes.labelsize": FONT_PT,
        "axes.titlesize": FONT_PT,
        "axes.titleweight": "normal",
        "xtick.labelsize": SMALL_PT,
        "ytick.labelsize": SMALL_PT,
        "legend.fontsize": SMALL_PT,
        "legend.frameon": False,
        "legend.handlelength": 1.2,
        "legend.borderaxespad": 0.2,
        "axes.linewidth": LINE,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
        "axes.formatter.use_mathtext": False,
        "axes.formatter.limits": (-4, 5),
        "axes.labelpad": 2.0,
        "xtick.major.width": LINE,
        "ytick.major.width": LINE,
        "xtick.major.size": 2.0,
        "ytick.major.size": 2.0,
        "xtick.major.pad": 1.5,
        "ytick.major.pad": 1.5,
        "lines.linewidth": 1.0,
        "patch.linewidth": LINE,
        "hatch.linewidth": 0.4,
        "text.usetex": False,
        "text.parse_math": False,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "crysmm-attn",
        "path.simplify": True,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.bbox": None,
        "figure.constrained_layout.use": False,
        "figure.autolayout": False,
    }
    with matplotlib.rc_context(rc=settings):  # type: ignore[arg-type]
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """An empty figure of a size in millimetres; no pyplot, nothing registered anywhere."""
    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), dpi=DPI)
    Canvas(figure)
    return figure


def size_mm(figure: Figure) -> tuple[float, float]:
    """Width and height of a figure in millimetres."""
    width, height = figure.get_size_inches()
    return width * 25.4, height * 25.4


def add_axes(figure: Figure, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
    """Axes at a place given in millimetres from the figure's upper left corner."""
    full_width, full_height = size_mm(figure)
    bottom = full_height - top - height
    box = (left / full_width, bottom / full_height, width / full_width, height / full_height)
    return figure.add_axes(box, **options)


def write_text(figure: Figure, left: float, top: float, text: str, **options: Any) -> Any:
    """Text at a place in millimetres from the figure's upper left corner (its own upper left by default)."""
    width, height = size_mm(figure)
    options = {"ha": "left", "va": "top", "fontsize": SMALL_PT, **options}
    return figure.text(left / width, 1 - top / height, text, **options)


def letter(figure: Figure, left: float, top: float, index: int) -> None:
    """The panel letter a, b, c, ... in bold, as journals set it."""
    text = chr(ord("a") + index) if index < 26 else str(index + 1)
    # only the Latin font has a bold face
    options = {"fontsize": LETTER_PT, "fontweight": "bold", "fontfamily": typefaces.families()[0]}
    write_text(figure, left, top - 0.4, text, **options)


def plain_ticks(axis: Any, count: int = 4) -> None:
    """Few, round ticks without an offset or powers of ten set apart."""
    axis.set_major_locator(MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=False)
    formatter.set_scientific(False)
    axis.set_major_formatter(formatter)


def one_line(text: str, most: int = 0) -> str:
    """``text`` safe to draw: control characters and line breaks gone, cut with an ellipsis after ``most``."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    kept = " ".join(kept.split())
    return kept if not most or len(kept) <= most else kept[: max(most - 1, 1)].rstrip() + "…"


def finished_svg(text: str, description: str) -> str:
    """Name the journals' fonts before ours, and describe the picture to those who do not see it."""
    drawn = ", ".join(f"'{f}'" for f in typefaces.families())
    named = ", ".join(f"'{f}'" if " " in f else f for f in typefaces.NAMED_IN_SVG)
    text = text.replace(drawn, named)
    if description:
        text = text.replace("</title>", f"</title>\n <desc>{escape(description)}</desc>", 1)
        text = text.replace("<svg ", '<svg role="img" ', 1)
    return text


def save(
    figure: Figure,
    folder: Path,
    name: str,
    formats: Sequence[str],
    lang: str = "en",
    *,
    title: str = "",
    description: str = "",
) -> list[Path]:
    """Write a figure in each format, atomically, without a date inside (equal figures give equal files).

    Args:
        figure: What to write.
        folder: Where.
        name: File stem.
        formats: ``png``, ``pdf``, ``svg``.
        lang: Language of its labels.
        title, description: Carried inside the files, for readers that speak them.
    """
    drawn = contents_of(figure, formats, title or name)
    if "svg" in drawn:
        drawn["svg"] = finished_svg(drawn["svg"].decode(), description).encode()
    return [write_bytes(folder / f"{figure_stem(name, lang)}.{suffix}", drawn[suffix]) for suffix in formats]
