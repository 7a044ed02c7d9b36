"""One crystal's attention in every arm: same words, same order, one colour scale, and the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize

from crysmm_attn_plugin.records import AttentionMap
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    DOUBLE_MM,
    FONT_PT,
    LINE,
    SMALL_PT,
    add_axes,
    new_figure,
    one_line,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.word_maps import Crop, MergedMaps, crop, merge
from crysmm_attn_plugin.reports.figures.wording import fixed, metric_label, say
from crysmm_attn_plugin.stats.results import ComparisonResult, ExampleCrystal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS_LABELLED = 40
WORD_MM, ROW_MM = 2.25, 2.6
LEFT_MM, GAP_MM, TOP_MM, PANEL_GAP_MM = 11.0, 5.0, 15.0, 5.5
TALL_MM = 27.0
ATTENTION, CHANGE = "viridis", "RdBu_r"


def draw(
    result: ComparisonResult, example: ExampleCrystal, maps: Mapping[str, AttentionMap], lang: str = "en"
) -> tuple[Figure, dict[str, float]]:
    """Heat maps of one crystal.

    Args:
        result: The comparison (arms, baseline, number of heads).
        example: The crystal and the rule it was chosen by.
        maps: Arm -> map, the baseline first.
        lang: Language of the labels.

    Returns:
        The figure, and the numbers in its labels that are not fields of the result.
    """
    merged = merge(maps)
    arms = list(maps)
    order, bounds = _rows(merged)
    height = float(np.clip(ROW_MM * len(order), 5.2, 62.0))
    places, width = _grid(arms, height)
    cropped = crop(merged, int(width / WORD_MM))
    kept = list(cropped.kept)
    words = [one_line(merged.words[i].text, 18) for i in kept]
    label_height = 3.0 + 0.86 * max((_length(w) for w in words), default=1)
    compared = len(arms) > 1
    last_row = max(row for row, _ in places.values())
    panels_end = TOP_MM + (last_row + 1) * height + last_row * PANEL_GAP_MM + label_height
    tall = compared and last_row == 0
    bars_top = TOP_MM + height + label_height + 1.0
    total = max(panels_end, bars_top + (9.0 if tall else 18.0) if compared else 0.0) + 1.5
    figure = new_figure(DOUBLE_MM, total)
    scale, clipped = _scale(merged, cropped)
    change = _change_scale(merged, kept, arms)
    _heading(figure, example, lang)
    image: Any = None
    difference: Any = None
    for (kind, arm), (row, column) in places.items():
        left = LEFT_MM + column * (width + GAP_MM)
        axes = add_axes(figure, left, TOP_MM + row * (height + PANEL_GAP_MM), width, height)
        values = merged.values[arm]
        if kind == "attention":
            image = _image(axes, values[np.ix_(order, kept)], ATTENTION, scale)
            title = one_line(arm, 40) + _value(example, arm, arms, lang)
        else:
            difference = _image(axes, (values - merged.values[arms[0]])[np.ix_(order, kept)], CHANGE, change)
            title = f"{one_line(arm, 20)} − {one_line(arms[0], 20)}"
        axes.set_title(title, loc="left", pad=3.5, fontsize=FONT_PT)
        lowest = all(r <= row for r, c in places.values() if c == column)
        _label_rows(axes, merged, order, bounds, shown=column == 0)
        _label_words(axes, cropped, words, height, shown=lowest)
    if compared:
        bar = min(44.0, width * 0.7)
        second = (LEFT_MM + width + GAP_MM, bars_top) if tall else (LEFT_MM, bars_top + 9.0)
        _bar(figure, image, LEFT_MM, bars_top, bar, 2.2, say("weight", lang), clipped)
        _bar(figure, difference, *second, bar, 2.2, say("weight_difference", lang), False)
    else:
        length = float(np.clip(height, 16.0, 40.0))
        _bar(figure, image, DOUBLE_MM - 13.5, TOP_MM, 2.2, length, say("weight", lang), clipped)
    numbers = {
        "words_shown": float(len(kept)),
        "words_total": float(cropped.total),
        "heads": float(merged.heads),
        "atoms": float(len(order)),
        **{f"held_percent.{arm}": 100 * share for arm, share in cropped.held.items()},
    }
    numbers.update({f"group.{symbol}": float(end - start) for symbol, start, end in bounds})
    notes = _notes(merged, cropped, arms, order, clipped, float(scale.vmax or 0), lang, numbers)
    write_text(figure, LEFT_MM, 5.2, notes[0])
    write_text(figure, LEFT_MM, 8.0, notes[1])
    return figure, numbers


def _grid(arms: Sequence[str], height: float) -> tuple[dict[tuple[str, str], tuple[int, int]], float]:
    """(kind, arm) -> (row, column) of its panel, and the width of a panel in millimetres.

    Arms stand side by side with their differences below; tall panels of two arms all stand in one row.
    """
    places = {("attention", arm): (0, k) for k, arm in enumerate(arms)}
    across = len(arms)
    if len(arms) == 1:
        return places, DOUBLE_MM - LEFT_MM - 16
    if len(arms) == 2 and height > TALL_MM:
        places["difference", arms[1]] = (0, 2)
        across = 3
    else:
        places.update({("difference", arm): (1, k) for k, arm in enumerate(arms) if k})
    return places, (DOUBLE_MM - LEFT_MM - 1 - GAP_MM * (across - 1)) / across


def _change_scale(merged: MergedMaps, kept: Sequence[int], arms: Sequence[str]) -> Normalize:
    """A scale that is white at no difference and reaches equally far to both sides."""
    base = merged.values[arms[0]][:, kept]
    reach = (
        max((float(np.abs(merged.values[a][:, kept] - base).max()) for a in arms[1:]), default=0.0) or 1e-6
    )
    return Normalize(-reach, reach)


def _length(word: str) -> float:
    """Width of a word in units of a Latin letter; Chinese characters count twice."""
    return sum(2.0 if ord(c) > 0x2E80 else 1.0 for c in word)


def _rows(merged: MergedMaps) -> tuple[list[int], list[tuple[str, int, int]]]:
    """Order of the atoms and, for large cells, the element groups (symbol, first row, one past the last)."""
    n = len(merged.elements)
    if n <= ROWS_LABELLED:
        return list(range(n)), []
    symbols = list(dict.fromkeys(merged.elements))
    order = sorted(range(n), key=lambda i: (symbols.index(merged.elements[i]), i))
    bounds = []
    for symbol in symbols:
        mine = [row for row, i in enumerate(order) if merged.elements[i] == symbol]
        bounds.append((symbol, mine[0], mine[-1] + 1))
    return order, bounds


def _scale(merged: MergedMaps, cropped: Crop) -> tuple[Normalize, bool]:
    """One scale from zero for every arm; it ends at the words' maximum when special tokens tower over it."""
    special = np.array([merged.words[i].special for i in cropped.kept])
    shown = np.stack([v[:, list(cropped.kept)] for v in merged.values.values()])
    top = float(shown.max()) if shown.size else 1.0
    ordinary = float(shown[..., ~special].max()) if (~special).any() else top
    clipped = bool(special.any() and 0 < 2 * ordinary < top)
    return Normalize(0.0, (ordinary if clipped else top) or 1.0), clipped


def _image(axes: Axes, values: np.ndarray, colours: str, scale: Normalize) -> Any:
    return axes.imshow(values, aspect="auto", interpolation="nearest", cmap=colours, norm=scale)


def _label_rows(
    axes: Axes,
    merged: MergedMaps,
    order: Sequence[int],
    bounds: Sequence[tuple[str, int, int]],
    *,
    shown: bool,
) -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_linewidth(LINE)
    if bounds:
        for _, _, end in bounds[:-1]:
            axes.axhline(end - 0.5, color="white", linewidth=0.6)
        middles = [(start + end - 1) / 2 for _, start, end in bounds]
        labels = [f"{symbol} ({end - start})" for symbol, start, end in bounds]
        gap = ROW_MM * len(order) / 62.0
        places = _spread(middles, minimum=gap)
        axes.set_yticks(places, labels if shown else [])
    else:
        axes.set_yticks(range(len(order)), [merged.row_labels[i] for i in order] if shown else [])
    axes.tick_params(axis="y", length=0, labelsize=SMALL_PT)


def _spread(places: Sequence[float], minimum: float) -> list[float]:
    """Places pushed down until neighbours are ``minimum`` apart."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + minimum) if out else place)
    return out


def _label_words(axes: Axes, cropped: Crop, words: Sequence[str], height: float, *, shown: bool) -> None:
    axes.set_xticks(range(len(words)), words if shown else [], rotation=90, ha="center", va="top")
    axes.tick_params(axis="x", length=1.5 if shown else 0, labelsize=SMALL_PT, pad=1.0)
    notch = [1.0, 1.0 + 0.7 / height]
    for column in range(1, len(cropped.kept)):
        if cropped.kept[column] != cropped.kept[column - 1] + 1:
            x = [column - 0.5] * 2
            axes.plot(
                x, notch, transform=axes.get_xaxis_transform(), color=BLACK, linewidth=0.5, clip_on=False
            )


def _bar(
    figure: Figure,
    image: Any,
    left: float,
    top: float,
    width: float,
    length: float,
    label: str,
    clipped: bool,
) -> None:
    axes = add_axes(figure, left, top, width, length)
    upright = length > width
    bar = figure.colorbar(
        image,
        cax=axes,
        orientation="vertical" if upright else "horizontal",
        extend="max" if clipped else "neither",
    )
    bar.outline.set_linewidth(LINE)
    plain_ticks(axes.yaxis if upright else axes.xaxis, 4)
    axes.tick_params(labelsize=SMALL_PT)
    bar.set_label(label, fontsize=FONT_PT)


def _value(example: ExampleCrystal, arm: str, arms: Sequence[str], lang: str) -> str:
    """The chosen metric's value beside the arm's name, for the two arms the example was chosen from."""
    alone = len(arms) == 1
    if arm == arms[0] and not alone:
        value = example.baseline_value
    elif alone or arm == arms[1]:
        value = example.arm_value
    else:
        return ""
    return (
        f"  ({metric_label(example.metric, lang, unit=False)} {fixed(value, 2)})"
        if np.isfinite(value)
        else ""
    )


_ALONE = {
    "median_change": "median_value",
    "largest_decrease": "lowest_value",
    "largest_increase": "highest_value",
}


def rule_label(example: ExampleCrystal, lang: str) -> str:
    """How the crystal was chosen; a single arm has values instead of changes."""
    metric = metric_label(example.metric, lang, unit=False)
    return say("chosen", lang, rule=rule_name(example, lang), metric=metric)


def rule_name(example: ExampleCrystal, lang: str) -> str:
    """The rule alone, for example ``largest decrease``; ``lowest value`` when there is one arm."""
    if not np.isfinite(example.baseline_value):
        return say(_ALONE[example.rule], lang)
    # where every crystal moved the same way, the other extreme is the smallest change in that direction
    if example.rule == "largest_increase" and example.change < 0:
        return say("smallest_decrease", lang)
    if example.rule == "largest_decrease" and example.change > 0:
        return say("smallest_increase", lang)
    return say(example.rule, lang)


def _heading(figure: Figure, example: ExampleCrystal, lang: str) -> None:
    identity = f"{one_line(example.formula, 30)}, {one_line(example.id, 40)}"
    change = ""
    if np.isfinite(example.baseline_value):
        change = f" ({fixed(example.change, 2, sign=True)})"
    write_text(figure, LEFT_MM, 1.6, f"{identity}.  {rule_label(example, lang)}{change}.", fontsize=FONT_PT)


def _notes(
    merged: MergedMaps,
    cropped: Crop,
    arms: Sequence[str],
    order: Sequence[int],
    clipped: bool,
    top: float,
    lang: str,
    numbers: dict[str, float],
) -> tuple[str, str]:
    space = " " if lang == "en" else ""
    if len(cropped.kept) < cropped.total:
        held = (", " if lang == "en" else "、").join(
            say("of_arm", lang, share=fixed(100 * cropped.held[a], 0), arm=one_line(a, 16)) for a in arms
        )
        first = say("cropped", lang, shown=len(cropped.kept), total=cropped.total, held=held)
    else:
        first = say("all_words", lang, total=cropped.total)
    second = say("scale", lang, heads=merged.heads)
    if clipped:
        numbers["scale_top"] = top
        second += space + say("clipped", lang, top=fixed(top, 2))
    if len(order) > ROWS_LABELLED:
        second += space + say("grouped", lang, total=len(order))
    return first, second
