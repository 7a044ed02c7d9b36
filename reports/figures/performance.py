"""Predictions of every arm against the targets, and the paired absolute errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import (
    DOUBLE_MM,
    GREY,
    add_axes,
    arm_colours,
    letter,
    new_figure,
    one_line,
    plain_ticks,
    write_text,
)
from crysmm_attn_plugin.reports.figures.wording import decimals_for, fixed, p_text, say, with_interval
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
    colours = arm_colours(result.baseline, [a.name for a in result.arms])
    panels = [("parity", a) for a in colours] + [("errors", p.arm) for p in result.pairs]
    across = 3 if len(panels) <= 3 else 4
    step = DOUBLE_MM / across
    side = min(PANEL_MM, step - 15)
    row = side + 19
    figure = new_figure(DOUBLE_MM, row * -(-len(panels) // across))
    unit = f" [{one_line(result.unit, 10)}]" if result.unit else ""
    limits = _limits(samples, ["target", *[f"prediction.{a}" for a in colours]])
    mae = {a.name: a.mae for a in result.arms}
    for index, (kind, arm) in enumerate(panels):
        left, top = (index % across) * step, (index // across) * row
        letter(figure, left + 0.8, top + 1, index)
        axes = add_axes(figure, left + 13, top + 9, side, side)
        if kind == "parity":
            _square(axes, limits)
            marks.cloud(axes, _column(samples, "target"), _column(samples, f"prediction.{arm}"), colours[arm])
            axes.set_xlabel(f"{say('target', lang)}{unit}")
            axes.set_ylabel(f"{say('prediction', lang)}{unit}")
            found = mae.get(arm)
            text = f"  MAE {fixed(found, _decimals(result))}{_after(result)}" if found is not None else ""
            write_text(figure, left + 13, top + 2.0, one_line(arm, 24) + text)
        else:
            pair = next(p for p in result.pairs if p.arm == arm)
            names = [f"abs_error.{pair.baseline}", f"abs_error.{arm}"]
            if any(n not in samples for n in names):
                continue
            low, high = _limits(samples, names)
            _square(axes, (min(0.0, low) if low > 0 else -0.03 * high, high))
            marks.cloud(axes, _column(samples, names[0]), _column(samples, names[1]), colours[arm])
            axes.set_xlabel(say("error_of", lang, arm=one_line(pair.baseline, 18)) + unit)
            axes.set_ylabel(say("error_of", lang, arm=one_line(arm, 18)) + unit)
            p = pair.performance
            if p.difference is not None and p.ci_low is not None and p.ci_high is not None:
                text = f"ΔMAE {with_interval(p.difference, p.ci_low, p.ci_high)}{_after(result)}"
                write_text(figure, left + 13, top + 2.0, text)
                write_text(figure, left + 13, top + 4.7, f"{p_text(p.p_value)}; N = {p.n}")
    return figure


def _after(result: ComparisonResult) -> str:
    return f" {one_line(result.unit, 10)}" if result.unit else ""


def _decimals(result: ComparisonResult) -> int:
    known = [a.mae for a in result.arms if a.mae]
    return min(decimals_for(min(known)) + 1, 5) if known else 3


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
