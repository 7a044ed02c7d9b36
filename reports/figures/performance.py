"""Predictions of every arm against the targets, and the paired absolute errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.arms import arms_of
from crysmm_attn_plugin.reports.figures.measure import (
    LINE_MM,
    lines_of,
    place,
    settle,
    shortened,
    write_lines,
)
from crysmm_attn_plugin.reports.figures.style import (
    DOUBLE_MM,
    FONT_PT,
    GREY,
    add_axes,
    letter,
    new_figure,
    one_line,
    plain_ticks,
)
from crysmm_attn_plugin.reports.figures.wording import mae_decimals, p_text, say, with_interval, with_unit
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.reports.prose.property_names import unit_name
from crysmm_attn_plugin.stats.results import ComparisonResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_MM = 40.0


def available(result: ComparisonResult, samples: pd.DataFrame) -> bool:
    """Are there targets and predictions to draw?"""
    columns = [f"prediction.{a.name}" for a in result.arms]
    if "target" not in samples or not all(c in samples for c in columns):
        return False
    known = samples[["target", *columns]].notna().all(axis=1)
    return bool(known.sum() > 1)


def draw(result: ComparisonResult, samples: pd.DataFrame, lang: str = "en") -> Figure:
    """A parity panel for each arm and, for each pair, the error of the arm against the baseline's."""
    arms = {a.name: a for a in arms_of(result, lang)}
    panels = [("parity", a) for a in arms] + [("errors", p.arm) for p in result.pairs]
    across = 3 if len(panels) <= 3 else 4
    step = (DOUBLE_MM - 1) / across
    texts = [
        lines_of(_text(result, kind, arm, arms[arm].label, lang), step - 8, most=4) for kind, arm in panels
    ]
    head = LINE_MM * max(map(len, texts)) + 1.2
    row = head + step + 1
    figure = new_figure(DOUBLE_MM, row * -(-len(panels) // across) + 1)
    unit = f" [{one_line(unit_name(result.unit, lang), 10)}]" if result.unit else ""
    limits = _limits(samples, ["target", *[f"prediction.{a}" for a in arms]])
    placed = []
    for index, (kind, name) in enumerate(panels):
        left, top = (index % across) * step + 1, (index // across) * row + 1
        letter(figure, left, top, index)
        write_lines(figure, left + 5, top, texts[index])
        axes = add_axes(figure, left + 13, top + head, step - 15, step - 15)
        arm = arms[name]
        if kind == "parity":
            _square(axes, limits)
            x, y = "target", f"prediction.{name}"
            axes.set_xlabel(f"{say('target', lang)}{unit}")
            axes.set_ylabel(f"{say('prediction', lang)}{unit}")
        else:
            x, y = f"abs_error.{result.baseline}", f"abs_error.{name}"
            low, high = _limits(samples, [x, y])
            _square(axes, (min(0.0, low) if low > 0 else -0.03 * high, high))
            for put, key in ((axes.set_xlabel, result.baseline), (axes.set_ylabel, name)):
                put(shortened(say("error_of", lang, arm=arms[key].label) + unit, step - 14, FONT_PT))
        if x in samples and y in samples:
            marks.cloud(axes, _column(samples, x), _column(samples, y), arm.colour, shape=arm.shape)
        placed.append((axes, settle(axes, left, top + head, step - 2, step, square=True)))
    side = min(box[2] for _, box in placed)
    for axes, box in placed:
        place(axes, box[0], box[1], side, side)
    return figure


def _text(result: ComparisonResult, kind: str, arm: str, label: str, lang: str) -> str:
    """What stands above a panel: the arm and its error, or the difference of the errors with its interval."""
    if kind == "parity":
        found = next((a.mae for a in result.arms if a.name == arm), None)
        mae = with_unit(fixed(found, mae_decimals(result)), result.unit, lang=lang)
        return label + (f"{say('stop', lang)}MAE {mae}" if found is not None else "")
    p = next(p for p in result.pairs if p.arm == arm).performance
    if p.difference is None or p.ci_low is None or p.ci_high is None:
        return label
    shown = with_interval(p.difference, p.ci_low, p.ci_high, lang)
    interval = f"ΔMAE {with_unit(shown, result.unit, difference=True, lang=lang)}"
    return say("stop", lang).join([label, interval, p_text(p.p_value), f"N = {p.n}"])


def _column(samples: pd.DataFrame, name: str) -> np.ndarray:
    return samples[name].to_numpy(float)


def _limits(samples: pd.DataFrame, columns: list[str]) -> tuple[float, float]:
    values = marks.finite(samples[[c for c in columns if c in samples]].to_numpy(float).ravel())
    if not len(values):
        return 0.0, 1.0
    return marks.padded(float(values.min()), float(values.max()))


def _square(axes: Axes, limits: tuple[float, float]) -> None:
    axes.plot(limits, limits, color=GREY, linewidth=0.5, dashes=(3, 2), zorder=1)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    plain_ticks(axes.xaxis, 4)
    plain_ticks(axes.yaxis, 4)
