"""What is wrong with a figure's layout, by measuring what is drawn."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

#: Pixels (300 an inch) that two boxes of text may share: letters do not fill their boxes.
SHARED = 2.0


def faults(figure: Figure) -> list[str]:
    """Texts beyond the page, over another text, or inside the axes of another panel."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    figure.draw_without_rendering()
    page = figure.bbox
    every = [axes for one in figure.axes for axes in (one, *one.child_axes)]
    hidden = _beyond_their_axis(every)
    owners = {id(t): axes for axes in every for t in axes.findobj(Text)}
    found: list[str] = []
    boxes: list[tuple[Any, Any, str]] = []
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible() or id(text) in hidden:
            continue
        box = text.get_window_extent(renderer)
        if box.width == 0 or box.height == 0:
            continue
        name = text.get_text()
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1:
            found.append(f"beyond the page: {name!r}")
        for axes in figure.axes:
            if axes is not owners.get(id(text)) and axes not in getattr(
                owners.get(id(text)), "child_axes", ()
            ):
                inner = axes.get_window_extent(renderer)
                parent = owners.get(id(text))
                if parent in axes.child_axes:
                    continue
                if _shared(box, inner) and not _blank(axes):
                    found.append(f"inside another panel: {name!r}")
        boxes.append((box, text, name))
    for i, (a, _, first) in enumerate(boxes):
        found += [f"{first!r} over {second!r}" for b, _, second in boxes[i + 1 :] if _shared(a, b)]
    return found


def _shared(a: Any, b: Any) -> bool:
    across = min(a.x1, b.x1) - max(a.x0, b.x0)
    down = min(a.y1, b.y1) - max(a.y0, b.y0)
    return bool(across > SHARED and down > SHARED)


def _blank(axes: Any) -> bool:
    return not axes.get_visible()


def _beyond_their_axis(every: list[Any]) -> set[int]:
    """Tick labels outside an axis' limits exist but are not drawn."""
    found: set[int] = set()
    for axes in every:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    found |= {id(tick.label1), id(tick.label2)}
    return found
