"""One look for every figure: sizes, fonts, colours, saving. Never touches matplotlib's global state.

Source: Nature's guide for figures (89 and 183 mm wide, sans-serif 5 to 7 pt, text kept as text) and Wong,
"Points of view: Color blindness", Nature Methods 8, 441 (2011), for the palette.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SINGLE_MM, DOUBLE_MM = 89.0, 183.0
DPI = 300
FONT_PT, SMALL_PT, LETTER_PT = 6.5, 5.5, 8.0
LINE = 0.6

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#6B6B6B", "#BDBDBD"

#: The baseline first, then the other arms in their order.
ARM_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)

LATIN_FONTS = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",
)


@dataclass(frozen=True)
class FigureRecord:
    """One figure: its files and the words that go with it.

    Attributes:
        name: File stem, for example ``attention_statistics_comparison``.
        files: Every file written.
        captions, alts: Caption and alternative text by language.
        numbers: Values drawn in labels that are not fields of the result, such as counts of words shown.
        label_languages: Language of caption -> language of the labels in its picture; they differ when no
            Chinese font is installed.
    """

    name: str
    files: tuple[Path, ...]
    captions: Mapping[str, str]
    alts: Mapping[str, str]
    numbers: Mapping[str, float] = field(default_factory=dict)
    label_languages: Mapping[str, str] = field(default_factory=dict)

    def path(self, suffix: str, lang: str = "en") -> Path | None:
        """The file of one format in one language (of its labels), or None when it was not asked for.

        Args:
            suffix: ``png``, ``pdf`` or ``svg``.
            lang: Language of the reader; labels may be English where no Chinese font is installed.
        """
        drawn = self.label_languages.get(lang, lang)
        for file in self.files:
            if file.name == f"{stem(self.name, drawn)}.{suffix}":
                return file
        return None


def stem(name: str, lang: str) -> str:
    """File stem of a figure in a language; English has none of its own."""
    return name if lang == "en" else f"{name}.{lang}"


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    from matplotlib import font_manager

    return frozenset(f.name for f in font_manager.fontManager.ttflist)


def label_language(lang: str) -> str:
    """``lang``, or ``en`` when it is Chinese and no Chinese font is installed."""
    if lang == "zh" and not any(f in _installed() for f in CHINESE_FONTS):
        return "en"
    return lang


def families() -> list[str]:
    """Installed fonts in order of preference; the Chinese one comes last and serves its characters only."""
    latin = [f for f in LATIN_FONTS if f in _installed()]
    chinese = [f for f in CHINESE_FONTS if f in _installed()][:1]
    return [*latin, *chinese] or ["sans-serif"]


@contextlib.contextmanager
def context() -> Iterator[None]:
    """Matplotlib settings of every figure, for the duration of a ``with`` block only."""
    settings: dict[str, Any] = {
        "font.family": families(),
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
    FigureCanvasAgg(figure)
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
    write_text(figure, left, top, "abcdefghijklmnop"[index], fontsize=LETTER_PT, fontweight="bold")


def plain_ticks(axis: Any, count: int = 4) -> None:
    """Few, round ticks without an offset or powers of ten set apart."""
    axis.set_major_locator(MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=False)
    formatter.set_scientific(False)
    axis.set_major_formatter(formatter)


def arm_colours(baseline: str, arms: Sequence[str]) -> dict[str, str]:
    """Colour of each arm, the baseline's first."""
    ordered = [a for a in arms if a == baseline] + [a for a in arms if a != baseline]
    return {arm: ARM_COLOURS[i % len(ARM_COLOURS)] for i, arm in enumerate(ordered)}


def one_line(text: str, most: int = 0) -> str:
    """``text`` safe to draw: control characters and line breaks gone, cut with an ellipsis after ``most``."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    kept = " ".join(kept.split())
    return kept if not most or len(kept) <= most else kept[: max(most - 1, 1)].rstrip() + "…"


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """A name as a tick label: broken after ``_``, ``-``, ``+`` or a space into lines of at most ``width``."""
    text = one_line(text)
    width = max(width, 4)
    rows: list[str] = []
    while text and len(rows) < lines:
        if len(text) <= width or len(rows) == lines - 1:
            rows.append(one_line(text, width))
            break
        cut = max((text.rfind(c, 0, width) + 1 for c in "_-+ "), default=0)
        cut = cut if cut > 1 else width
        rows.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return "\n".join(rows)


def _name_journal_fonts(path: Path) -> None:
    """Let a reader's Arial or Helvetica draw the text even where this machine has neither."""
    drawn = ", ".join(f"'{f}'" for f in families())
    wanted = dict.fromkeys([*LATIN_FONTS, *families()])
    named = ", ".join(f"'{f}'" if " " in f else f for f in wanted) + ", sans-serif"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(drawn, named), encoding="utf-8")


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str], lang: str = "en") -> list[Path]:
    """Write a figure in each format, atomically, without a date inside (equal figures give equal files)."""
    written = []
    for suffix in formats:
        metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(suffix, {})
        path = folder / f"{stem(name, lang)}.{suffix}"

        def draw(target: Path, suffix: str = suffix, metadata: dict[str, Any] = metadata) -> None:
            figure.savefig(target, format=suffix, dpi=DPI, metadata=metadata)
            if suffix == "svg":
                _name_journal_fonts(target)

        written.append(write_atomic(path, draw))
    return written
