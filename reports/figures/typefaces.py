"""The fonts figures are drawn with: those shipped in ``fonts/``, so that a figure looks the same on every machine.

Source: Liberation Sans (the widths of Arial) and Noto Sans CJK SC under the SIL Open Font License; see ``fonts/OFL.txt``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties

FOLDER = Path(__file__).parent / "fonts"
LATIN, CHINESE = "Crysmm Sans", "Crysmm Sans SC"
#: In this order; a character is drawn with the first that has it. DejaVu Sans comes with matplotlib.
FAMILIES = (LATIN, CHINESE, "DejaVu Sans")
#: What an SVG names, so that a reader's program takes its own Arial (the widths are equal) before ours.
NAMED_IN_SVG = ("Arial", "Helvetica", "Liberation Sans", *FAMILIES, "Noto Sans CJK SC", "sans-serif")


#: The list of fonts that was looked through last: every text that is measured asks for the fonts.
_looked_through: list[object] = []


def register() -> None:
    """Make the shipped fonts known to matplotlib, whatever its list of fonts holds or how old it is."""
    if any(fonts is font_manager.fontManager.ttflist for fonts in _looked_through):
        return
    _looked_through[:] = [font_manager.fontManager.ttflist]
    known = {(entry.name, str(entry.weight)) for entry in font_manager.fontManager.ttflist}
    for name, weight, file in (
        (LATIN, "400", "CrysmmSans-Regular.ttf"),
        (LATIN, "700", "CrysmmSans-Bold.ttf"),
        (CHINESE, "400", "CrysmmSansSC-Regular.ttf"),
    ):
        if (name, weight) not in known:
            font_manager.fontManager.addfont(str(FOLDER / file))


def families() -> tuple[str, ...]:
    """The fonts of every figure, in order of preference."""
    register()
    return FAMILIES


@lru_cache(maxsize=4)
def coverage(file: str) -> frozenset[int]:
    """Code points a shipped font can draw."""
    return frozenset(font_manager.get_font(str(FOLDER / file)).get_charmap())


def properties(size: float, weight: str = "normal") -> FontProperties:
    """Font properties of a size in points, with every family to fall back on."""
    return FontProperties(family=list(families()), size=size, weight=weight)
