"""What every comparison asks of its numbers before it looks at them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.records import Alarm

#: No verdict is given on fewer crystals than this.
SMALLEST_N = 10
#: Below this many crystals a warning goes with every result.
WARN_N = 50
#: Resamples: fewer cannot carry a level of .05, more only cost time and memory.
RESAMPLES = (99, 1_000_000)


def size_warnings(n: int) -> list[Alarm]:
    """What ``n`` crystals are too few for."""
    if n < SMALLEST_N:
        return [raised("no_inference", n=n, least=SMALLEST_N)]
    return [raised("few_crystals", n=n, least=WARN_N)] if n < WARN_N else []


def seeds_by_crystals(values: ArrayLike, name: str) -> np.ndarray:
    """``values`` as a finite (seeds, crystals) array of floats.

    Raises:
        StatisticsError: When it is not one- or two-dimensional numbers, or holds NaN or infinity.
    """
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise StatisticsError(
            f"{name} must hold numbers in the shape (crystals,) or (seeds, crystals): {error}."
        ) from None
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or 0 in array.shape:
        raise StatisticsError(
            f"{name} must be (crystals,) or (seeds, crystals), got shape {np.shape(values)}."
        )
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise StatisticsError(
            f"{name} holds {bad} values that are not finite; leave those crystals out first."
        )
    return array


def paired_arrays(a: ArrayLike, b: ArrayLike, *, smallest: int = SMALLEST_N) -> tuple[np.ndarray, np.ndarray]:
    """Both arms as (seeds, crystals) arrays over the same crystals.

    Raises:
        StatisticsError: On different numbers of crystals, or fewer than ``smallest``.
    """
    first, second = seeds_by_crystals(a, "a"), seeds_by_crystals(b, "b")
    if first.shape[1] != second.shape[1]:
        raise StatisticsError(
            f"the arms have {first.shape[1]} and {second.shape[1]} crystals; pair them by crystal id first."
        )
    if first.shape[1] < smallest:
        noun = "crystal" if first.shape[1] == 1 else "crystals"
        raise StatisticsError(f"{first.shape[1]} {noun}: nothing is inferred below {smallest}; test on more.")
    return first, second


def checked_resampling(n_resamples: Any, seed: Any, alpha: Any) -> tuple[int, int, float]:
    """Number of resamples, seed and level, when they can be used.

    Raises:
        StatisticsError: When one cannot.
    """
    low, high = RESAMPLES
    count = _whole(n_resamples)
    if count is None or not low <= count <= high:
        raise StatisticsError(
            f"n_resamples must be a whole number between {low} and {high:,}, got {n_resamples!r}."
        )
    start = _whole(seed)
    if start is None or start < 0:
        raise StatisticsError(f"seed must be a whole number of 0 or more, got {seed!r}.")
    level = _number(alpha)
    if level is None or not 0 < level < 1:
        raise StatisticsError(
            f"the level alpha, and with it the confidence 1 - alpha, must lie between 0 and 1, got alpha {alpha!r}."
        )
    return count, start, level


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, str)):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return int(found) if found is not None and found == int(found) else None


def paired_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b over (N,) crystals; equal differences stay equal.

    Two columns that differ by one number everywhere give differences that vary in their last bits; without care that
    rounding would be taken for the variation between crystals (a g_z of 1e14).
    """
    differences = a - b
    rounding = 8 * np.finfo(float).eps * max(float(np.abs(a).max()), float(np.abs(b).max()))
    if np.ptp(differences) > rounding:
        return np.asarray(differences)
    middle = float(np.median(differences))
    return np.full(len(differences), middle if abs(middle) > rounding else 0.0)
