"""Marks that several figures share; readable from 15 to 5,000 crystals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from scipy.ndimage import gaussian_filter
from scipy.stats import gaussian_kde

from crysmm_attn_plugin.reports.figures.style import BLACK, GREY, PALE, Dots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Above this many crystals single points say nothing: densities are drawn, points as a rasterised haze.
MANY = 150
#: Marks that stand for one crystal each carry this mark of their own.
CRYSTALS = "crystals"
#: Above this many even lines of a haze are left out of vector files (rasterised).
RASTER = 400


def finite(values: Any) -> np.ndarray:
    """The finite values as floats."""
    array = np.asarray(values, float)
    return np.asarray(array[np.isfinite(array)])


def half_violin(
    axes: Axes, values: np.ndarray, at: float, width: float, colour: str, *, side: int = 1, gap: float = 0.06
) -> None:
    """Density of ``values`` on one side of ``at`` (side 1 right, -1 left), cut at the extremes."""
    values = finite(values)
    if len(values) < 5 or np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
        return
    grid = np.linspace(values.min(), values.max(), 160)
    density = gaussian_kde(values)(grid)
    edge = at + side * gap
    axes.fill_betweenx(
        grid, edge, edge + side * width * density / density.max(), color=colour, alpha=0.35, linewidth=0
    )


def points(
    axes: Axes,
    values: np.ndarray,
    at: float,
    colour: str,
    *,
    shape: str = "o",
    spread: float = 0.05,
    seed: int = 0,
) -> None:
    """Every crystal's value as a mark; fainter and rasterised as they become many.

    Args:
        axes: Where.
        values: (N,) one value a row of ``samples``, NaN where it has none.
        at: Place across.
        colour, shape: Of the arm.
        spread, seed: Of the sideways shifts.
    """
    values = np.asarray(values, float)
    many = len(values) > MANY
    drawn = axes.scatter(
        at + jitter(len(values), spread, seed),
        values,
        s=1.2 if many else 4.0,
        color=colour,
        marker=shape,
        alpha=float(np.clip(60 / max(len(values), 1), 0.06, 0.6)) if many else 0.75,
        linewidths=0,
        rasterized=len(values) > RASTER,
        zorder=2,
    )
    drawn.set_gid(CRYSTALS)


def run_means(axes: Axes, values: Sequence[float], at: float, colour: str) -> None:
    """The mean of each run as a hollow diamond."""
    axes.plot(
        np.full(len(values), at),
        values,
        linestyle="none",
        marker="D",
        markersize=2.8,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=0.7,
        zorder=7,
    )


def jitter(count: int, spread: float, seed: int = 0) -> np.ndarray:
    """Sideways shifts, the same for a crystal in every arm, so that its line meets its dots."""
    return np.random.default_rng(seed).uniform(-spread, spread, count)


def mean_with_interval(
    axes: Axes, mean: float, low: float, high: float, at: float, colour: str = BLACK
) -> None:
    """A mean and its interval, drawn over everything else."""
    if np.isfinite(low) and np.isfinite(high):
        axes.plot([at, at], [low, high], color=BLACK, linewidth=1.4, solid_capstyle="butt", zorder=5)
    axes.plot([at], [mean], marker="o", markersize=3.4, color=BLACK, markeredgewidth=0, zorder=6)


def mean_bar(axes: Axes, mean: float, at: float, half: float = 0.09) -> None:
    """A short black line at a mean."""
    axes.plot(
        [at - half, at + half], [mean, mean], color=BLACK, linewidth=1.2, zorder=6, solid_capstyle="butt"
    )


def zero_line(axes: Axes, *, vertical: bool = False) -> None:
    """The line of no difference."""
    (axes.axvline if vertical else axes.axhline)(0, color=GREY, linewidth=0.5, dashes=(3, 2), zorder=1)


def pair_lines(
    axes: Axes, before: np.ndarray, after: np.ndarray, x: tuple[float, float], spread: float = 0.0
) -> None:
    """A line per crystal between two arms; nothing above ``MANY``, where lines become a block."""
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any() or known.sum() > MANY:
        return
    alpha = float(np.clip(25 / known.sum(), 0.25, 0.8))
    lines = np.vstack([before[known], after[known]])
    shift = jitter(len(known), spread)[known]
    places = np.vstack([x[0] + shift, x[1] + shift])
    segments = np.stack([places.T, lines.T], axis=-1)
    axes.add_collection(
        LineCollection(list(segments), colors=PALE, alpha=alpha, linewidths=0.4, zorder=1), autolim=False
    )


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Limits with a margin; never of zero width."""
    width = high - low
    if not np.isfinite(width) or width <= 0:
        width = abs(high) * 0.1 or 1.0
    return low - share * width, high + share * width


def cloud(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    colour: str,
    *,
    shape: str = "o",
    contours: bool = False,
) -> None:
    """A scatter of crystals (one a row of ``samples``); many become faint and rasterised, with contours where asked."""
    known = np.isfinite(x) & np.isfinite(y)
    count = int(known.sum())
    many = count > RASTER
    drawn = axes.scatter(
        np.where(known, x, np.nan),
        np.where(known, y, np.nan),
        s=1.5 if many else 6.0,
        color=colour,
        marker=shape,
        alpha=float(np.clip(400 / max(count, 1), 0.08, 0.6)) if many else 0.65,
        linewidths=0,
        rasterized=many,
        zorder=2,
    )
    drawn.set_gid(CRYSTALS)
    x, y = x[known], y[known]
    if contours and many and np.ptp(x) > 0 and np.ptp(y) > 0:
        counts, edge_x, edge_y = np.histogram2d(x, y, bins=28)
        smooth = _smoothed(counts)
        levels = [smooth.max() * share for share in (0.1, 0.3, 0.6)]
        centres = [(e[1:] + e[:-1]) / 2 for e in (edge_x, edge_y)]
        axes.contour(*centres, smooth.T, levels=levels, colors=BLACK, linewidths=0.4, zorder=3)


def crystal_dots(figure: Figure) -> Dots:
    """Where a drawn figure shows crystals: every mark that ``points`` and ``cloud`` drew."""
    found: list[np.ndarray] = []
    for axes in figure.axes:
        for drawn in axes.collections:
            if drawn.get_gid() != CRYSTALS:
                continue
            offsets: np.ndarray = np.ma.filled(np.ma.asarray(drawn.get_offsets(), float), np.nan)
            places = figure.transFigure.inverted().transform(axes.transData.transform(offsets))
            kept = np.flatnonzero(np.isfinite(places).all(1))
            found.append(np.column_stack([places[kept, 0], 1 - places[kept, 1], kept]))
    whole = np.concatenate(found) if found else np.zeros((0, 3))
    return Dots(whole[:, 0], whole[:, 1], whole[:, 2].astype(int))


def _smoothed(counts: np.ndarray) -> np.ndarray:
    return np.asarray(gaussian_filter(counts, 1.4))
