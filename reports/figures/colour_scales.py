"""Colour scales of attention maps: by the square root of the weight, with a bar whose numbers are weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import FuncNorm, Normalize, PowerNorm

from crysmm_attn_plugin.reports.figures.measure import width_mm
from crysmm_attn_plugin.reports.figures.style import FONT_PT, LINE, SMALL_PT, add_axes
from crysmm_attn_plugin.reports.numbers import fixed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ATTENTION, CHANGE = "viridis", "RdBu_r"


def _bent(values: Any) -> Any:
    array = np.asarray(values, float)
    return np.sign(array) * np.sqrt(np.abs(array))


def _straight(values: Any) -> Any:
    array = np.asarray(values, float)
    return np.sign(array) * array**2


def attention_scale(top: float) -> Normalize:
    """From 0 to ``top`` by the square root, so that a diffuse arm's small weights can be told apart."""
    return PowerNorm(0.5, 0.0, top)


def change_scale(reach: float) -> Normalize:
    """White at no difference and reaching equally far to both sides, by the square root of the difference."""
    return FuncNorm((_bent, _straight), -reach, reach)


def ticks(scale: Normalize, width: float) -> list[float]:
    """Round numbers on a bar of a width in millimetres, none so close to another that their labels touch."""
    low, high = float(scale.vmin or 0.0), float(scale.vmax or 1.0)
    chosen = [0.0]
    power = math.floor(math.log10(high))
    candidates = [m * 10.0**p for p in range(power, power - 3, -1) for m in (5, 2, 1)]
    for value in (v for v in candidates if v <= high * 1.0001):
        for signed in (value, -value) if low < 0 else (value,):
            places = [float(scale(v)) * width for v in chosen]
            need = [(width_mm(label(v)) + width_mm(label(signed))) / 2 + 1.5 for v in chosen]
            if all(abs(float(scale(signed)) * width - p) >= n for p, n in zip(places, need)):
                chosen.append(signed)
    return sorted(chosen)


def label(value: float) -> str:
    """A weight as a tick label, without needless digits."""
    if value == 0:
        return "0"
    return fixed(value, max(-math.floor(math.log10(abs(value)) + 1e-9), 0))


def draw_bar(
    figure: Figure, image: Any, left: float, top: float, width: float, name: str, clipped: bool
) -> None:
    """A horizontal bar with the scale's numbers; an arrow where higher values take the top colour."""
    axes = add_axes(figure, left, top, width, 2.0)
    bar = figure.colorbar(image, cax=axes, orientation="horizontal", extend="max" if clipped else "neither")
    bar.outline.set_linewidth(LINE)
    places = ticks(image.norm, width * 0.93 if clipped else width)
    bar.set_ticks(places, labels=[label(v) for v in places])
    bar.ax.minorticks_off()
    axes.tick_params(labelsize=SMALL_PT)
    bar.set_label(name, fontsize=FONT_PT)
