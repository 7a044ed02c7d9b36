"""Figures as vectors inside the page: one drawing that takes the page's ink and paper, in light and in dark."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
#: Colour of a figure's ink and paper -> the page's; the colours of arms and of attention stay.
ADAPTED = {
    "#000000": "var(--ink)",
    "#6b6b6b": "var(--soft)",
    "#bdbdbd": "var(--line-strong)",
    "#e4e4e4": "var(--band)",
    "#ffffff": "var(--card)",
}
#: CSS pixels a point of paper takes on the page: one and a half times its size.
SCALE = 1.5 * 96 / 72
_COLOUR = re.compile("#[0-9a-f]{6}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def of_figure(figure: Figure, prefix: str, description: str) -> str:
    """A figure as an element of the page that is no wider than its place.

    Args:
        figure: What to show, drawn under ``figures.style.context``.
        prefix: Put before every id of the drawing.
        description: What is seen, for those who do not see it.
    """
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    written.seek(0)
    drawing, width, _ = inline(written, prefix)
    return str(
        Markup(
            '<div class="plot" tabindex="0" role="img" aria-label="{}"><div class="plot-in" style="--w:{}">{}</div></div>'
        ).format(description, width, Markup(drawing))
    )


def inline(path: Path | TextIO, prefix: str) -> tuple[str, int, int]:
    """An SVG file as an element of the page.

    Args:
        path: As ``figures.style.save`` wrote it.
        prefix: Put before every id, so that no two drawings share one.

    Returns:
        The element, and its width and height in CSS pixels.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.parse(path).getroot()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "title", "desc", "style"):
                parent.remove(child)
    for element in root.iter():
        _adapt(element, prefix)
    _, _, width, height = (float(v) for v in root.attrib["viewBox"].split())
    for name in ("width", "height", "version", "role"):
        root.attrib.pop(name, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ElementTree.tostring(root, encoding="unicode"), round(width * SCALE), round(height * SCALE)


def _adapt(element: ElementTree.Element, prefix: str) -> None:
    for name, value in list(element.attrib.items()):
        plain = name.rpartition("}")[2]
        if plain == "id":
            element.set(name, prefix + value)
        elif plain == "href" and value.startswith("#"):
            element.set(name, f"#{prefix}{value[1:]}")
        elif plain in ("style", "clip-path", "fill", "stroke"):
            value = _REFERENCE.sub(lambda found: f"url(#{prefix}{found[1]})", value)
            element.set(name, _COLOUR.sub(lambda found: ADAPTED.get(found[0], found[0]), value))
