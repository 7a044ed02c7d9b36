"""One crystal's attention in every arm: same words, same order, one colour scale, and the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crysmm_attn_plugin.records import AttentionMap
from crysmm_attn_plugin.reports.figures import map_panels
from crysmm_attn_plugin.reports.figures.arms import Arm, arms_of
from crysmm_attn_plugin.reports.figures.colour_scales import (
    ATTENTION,
    CHANGE,
    attention_scale,
    change_scale,
    draw_bar,
)
from crysmm_attn_plugin.reports.figures.map_panels import Rows, rows_of
from crysmm_attn_plugin.reports.figures.measure import LINE_MM, lines_of, shortened, width_mm, write_lines
from crysmm_attn_plugin.reports.figures.style import DOUBLE_MM, FONT_PT, new_figure, one_line
from crysmm_attn_plugin.reports.figures.word_maps import Crop, MergedMaps, crop, merge
from crysmm_attn_plugin.reports.figures.wording import axis_name, say
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.stats.results import ComparisonResult, ExampleCrystal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ATTENTION", "CHANGE", "crop", "draw", "merge", "rule_name"]

#: Width of a word's column; its label, turned upright, needs as much.
WORD_MM = 2.5
TITLE_MM, BARS_MM, SIDE_MM, GAP_MM, PANEL_GAP_MM, SCALE_MM = 3.4, 3.2, 3.4, 3.0, 2.4, 9.5
WORD_LABEL_MM = 17.0
#: All rows of panels together; taller than this no figure fits a page with its caption.
PANELS_MM, TALL_MM = 118.0, 27.0


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
    arms = [a for a in arms_of(result, lang) if a.name in maps]
    places, across = _grid(arms, len(merged.elements))
    down = 1 + max(row for row, _ in places.values())
    rows = rows_of(merged, PANELS_MM / down)
    margin = max(map(width_mm, rows.labels), default=5.0) + 2.0
    width = (DOUBLE_MM - margin - 1.0 - (SIDE_MM + GAP_MM) * across) / across
    cropped = crop(merged, max(int(width / WORD_MM), 1))
    kept = list(cropped.kept)
    words = [shortened(one_line(merged.words[i].text), WORD_LABEL_MM) for i in kept]
    top, clipped = _top(merged, cropped)
    numbers = _numbers(merged, cropped, rows, top if clipped else None)
    text = DOUBLE_MM - 2.0
    heading = lines_of(_heading(example, lang), text, FONT_PT)
    notes = lines_of(_notes(merged, cropped, arms, rows, top if clipped else None, lang), text)
    head = 1.0 + 3.0 * len(heading) + LINE_MM * len(notes) + 1.2
    pitch = TITLE_MM + BARS_MM + rows.height + PANEL_GAP_MM
    foot = max(map(width_mm, words), default=2.0) + 2.6
    below = head + down * pitch - PANEL_GAP_MM + foot
    # two arms leave room for the scales below the baseline's map
    beside = len(arms) == 2 and down == 2
    bars = (head + pitch - PANEL_GAP_MM + foot + 1.5) if beside else below
    total = max(below + 1.0, bars + 2 * SCALE_MM) if beside else below + SCALE_MM
    figure = new_figure(DOUBLE_MM, total)
    write_lines(figure, 1.0, 1.0, heading, fontsize=FONT_PT)
    write_lines(figure, 1.0, 1.0 + 3.0 * len(heading), notes)
    scale, change = attention_scale(top), change_scale(_reach(merged, kept, arms))
    images: dict[str, Any] = {}
    by_name = {a.name: a for a in arms}
    for (kind, name), (row, column) in places.items():
        left = margin + column * (width + SIDE_MM + GAP_MM)
        values = merged.values[name]
        if kind == "difference":
            values = values - merged.values[arms[0].name]
        images[kind] = map_panels.draw_panel(
            figure,
            values[np.ix_(rows.order, kept)],
            (left, head + row * pitch, width),
            heights=(TITLE_MM, BARS_MM, rows.height, SIDE_MM),
            title=_title(kind, by_name[name], arms, example, width + SIDE_MM, lang),
            colours=(CHANGE, change) if kind == "difference" else (ATTENTION, scale),
            rows=rows if column == 0 else None,
            bounds=rows.bounds,
            words=words if all(r <= row for r, c in places.values() if c == column) else None,
            gaps=[k for k in range(1, len(kept)) if kept[k] != kept[k - 1] + 1],
            arm=by_name[name],
        )
    length = min(60.0, width)
    draw_bar(figure, images["attention"], margin, bars, length, say("weight", lang), clipped)
    if "difference" in images:
        at = (margin, bars + SCALE_MM) if beside else (margin + length + 18, bars)
        draw_bar(figure, images["difference"], *at, length, say("weight_difference", lang), False)
    return figure, numbers


def _grid(arms: Sequence[Arm], n_atoms: int) -> tuple[dict[tuple[str, str], tuple[int, int]], int]:
    """(kind, arm) -> (row, column) of its panel, and the number of columns.

    Arms stand side by side, at most three a row, with their differences below; tall panels of two arms in one row.
    """
    if len(arms) == 1:
        return {("attention", arms[0].name): (0, 0)}, 1
    if len(arms) == 2 and n_atoms * map_panels.ROW_MM > TALL_MM:
        names = [("attention", arms[0].name), ("attention", arms[1].name), ("difference", arms[1].name)]
        return {key: (0, k) for k, key in enumerate(names)}, 3
    across = min(len(arms), 3)
    places = {("attention", a.name): divmod(k, across) for k, a in enumerate(arms)}
    below = -(-len(arms) // across)
    for k, arm in enumerate(arms[1:]):
        # with few arms a difference stands below its arm
        row, column = divmod(k + 1 if len(arms) <= across else k, across)
        places["difference", arm.name] = (below + row, column)
    return places, across


def _reach(merged: MergedMaps, kept: Sequence[int], arms: Sequence[Arm]) -> float:
    base = merged.values[arms[0].name][:, kept]
    furthest = (float(np.abs(merged.values[a.name][:, kept] - base).max()) for a in arms[1:])
    return max(furthest, default=0.0) or 1e-6


def _top(merged: MergedMaps, cropped: Crop) -> tuple[float, bool]:
    """The end of the one scale of all arms; the words' maximum when special tokens tower over them."""
    special = np.array([merged.words[i].special for i in cropped.kept])
    shown = np.stack([v[:, list(cropped.kept)] for v in merged.values.values()])
    top = float(shown.max()) if shown.size else 1.0
    ordinary = float(shown[..., ~special].max()) if (~special).any() else top
    clipped = bool(special.any() and 0 < 2 * ordinary < top)
    return (ordinary if clipped else top) or 1.0, clipped


def _title(kind: str, arm: Arm, arms: Sequence[Arm], example: ExampleCrystal, width: float, lang: str) -> str:
    if kind == "difference":
        room = (width - width_mm(" − ", FONT_PT)) / 2
        return f"{shortened(arm.label, room, FONT_PT)} − {shortened(arms[0].label, room, FONT_PT)}"
    value = _value(example, arm, arms, lang)
    name = shortened(arm.label, width - width_mm(value, FONT_PT), FONT_PT)
    return name + value if width_mm(name + value, FONT_PT) <= width else shortened(arm.label, width, FONT_PT)


def _value(example: ExampleCrystal, arm: Arm, arms: Sequence[Arm], lang: str) -> str:
    """The chosen metric's value beside the arm's name, for the two arms the example was chosen from."""
    alone = len(arms) == 1
    if arm is arms[0] and not alone:
        value = example.baseline_value
    elif alone or arm is arms[1]:
        value = example.arm_value
    else:
        return ""
    return (
        say("aside", lang, text=f"{axis_name(example.metric, lang, unit=False)} {fixed(value, 2)}")
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
    metric = axis_name(example.metric, lang, unit=False)
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


def _heading(example: ExampleCrystal, lang: str) -> str:
    identity = f"{one_line(example.formula, 60)}{say('comma', lang)}{one_line(example.id, 60)}"
    change = (
        say("aside", lang, text=fixed(example.change, 2, sign=True))
        if np.isfinite(example.baseline_value)
        else ""
    )
    return f"{identity}{say('full_stop', lang)}{rule_label(example, lang)}{change}{say('full_stop', lang).rstrip()}"


def _numbers(merged: MergedMaps, cropped: Crop, rows: Rows, top: float | None) -> dict[str, float]:
    numbers = {
        "words_shown": float(len(cropped.kept)),
        "words_total": float(cropped.total),
        "heads": float(merged.heads),
        "atoms": float(len(rows.order)),
        **{f"held_percent.{arm}": 100 * share for arm, share in cropped.held.items()},
    }
    numbers.update({f"group.{symbol}": float(end - start) for symbol, start, end in rows.bounds})
    return numbers if top is None else {**numbers, "scale_top": top}


def _notes(
    merged: MergedMaps, cropped: Crop, arms: Sequence[Arm], rows: Rows, top: float | None, lang: str
) -> str:
    if len(cropped.kept) < cropped.total:
        held = say("list_comma", lang).join(
            say("of_arm", lang, share=fixed(100 * cropped.held[a.name], 0), arm=shortened(a.label, 40))
            for a in arms
        )
        notes = [
            say("cropped", lang, shown=len(cropped.kept), total=cropped.total, held=held),
            say("gaps", lang),
        ]
    else:
        notes = [say("all_words", lang, total=cropped.total)]
    if not rows.named:
        notes.append(say("grouped", lang, total=len(rows.order)))
    notes.append(say("scale", lang, heads=merged.heads) if merged.heads > 1 else say("scale_one_head", lang))
    if top is not None:
        notes.append(say("clipped", lang, top=fixed(top, 2)))
    notes.append(say("margins", lang))
    return say("sentence_gap", lang).join(notes)
