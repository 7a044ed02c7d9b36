"""Texts measured once: what a font says of itself and how large a text is, kept over all figures of a process."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties

#: Of a font in points at 72 dots an inch: ascent, descent, gap between lines.
Heights = tuple[float | None, float | None, float | None]


@lru_cache(maxsize=1_000)
def files_of(properties: FontProperties, fonts: int) -> Any:
    """The files that draw a text of these properties, as matplotlib finds them.

    Args:
        properties: Of the text; not changed afterwards.
        fonts: How many fonts matplotlib knows: one that is made known later may be found instead.
    """
    find = getattr(font_manager.fontManager, "_find_fonts_by_props", None)
    return find(properties) if find is not None else font_manager.findfont(properties)


def font_of(properties: FontProperties) -> Any:
    """The opened font of a text's properties, with those to fall back on."""
    return font_manager.get_font(files_of(properties, len(font_manager.fontManager.ttflist)))


@lru_cache(maxsize=1_000)
def _heights(properties: FontProperties, fonts: int) -> Heights:
    """As matplotlib reads them for every line it lays out, in points."""
    font = font_of(properties)
    for table, gap, up, down in (
        ("OS/2", "sTypoLineGap", "sTypoAscender", "sTypoDescender"),
        ("hhea", "lineGap", "ascent", "descent"),
    ):
        found = font.get_sfnt_table(table)
        if found is not None:
            scale = properties.get_size_in_points() / font.get_sfnt_table("head")["unitsPerEm"]
            return found[up] * scale, -found[down] * scale, found[gap] * scale
    return None, None, None


@lru_cache(maxsize=50_000)
def _size(text: str, properties: FontProperties, dpi: float, fonts: int) -> tuple[float, float, float]:
    size: tuple[float, float, float] = _plain(dpi).get_text_width_height_descent(text, properties, False)
    return size


@lru_cache(maxsize=4)
def _plain(dpi: float) -> RendererAgg:
    return RendererAgg(8, 8, dpi)


class Ruler(RendererAgg):
    """Agg's renderer, which looks up what was measured before."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)  # type: ignore[no-untyped-call]

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        """Of a line, in pixels."""
        if ismath:
            size: tuple[float, float, float] = super().get_text_width_height_descent(  # type: ignore[no-untyped-call]
                s, prop, ismath
            )
            return size
        return _size(s, prop.copy(), self.dpi, len(font_manager.fontManager.ttflist))

    def _get_font_height_metrics(self, prop: Any) -> Heights:
        heights = _heights(prop.copy(), len(font_manager.fontManager.ttflist))
        scale = self.dpi / 72
        return tuple(None if h is None else h * scale for h in heights)  # type: ignore[return-value]

    def _prepare_font(self, font_prop: Any) -> Any:
        font = font_of(font_prop.copy())
        font.clear()
        font.set_size(font_prop.get_size_in_points(), self.dpi)
        return font


class Canvas(FigureCanvasAgg):
    """A figure's canvas that measures with a ``Ruler``."""

    def get_renderer(self) -> Ruler:
        """The renderer of the figure's size."""
        width, height = self.figure.bbox.size
        size = (int(width), int(height), self.figure.dpi)
        if getattr(self, "_size_of_renderer", None) != size:
            self.renderer: Ruler = Ruler(*size)
            self._size_of_renderer = size
        return self.renderer
