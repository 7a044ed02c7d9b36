"""What every comparison asks of its numbers before it looks at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.errors import StatisticsError

#: No inference is made on fewer crystals than this.
SMALLEST_N = 10
#: Below this many crystals a warning goes with every result.
WARN_N = 50


def seeds_by_crystals(values: ArrayLike, name: str) -> np.ndarray:
    """``values`` as a finite (seeds, crystals) array of floats.

    Raises:
        StatisticsError: When it is not one- or two-dimensional, or holds NaN or infinity.
    """
    array = np.asarray(values, dtype=float)
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


def paired_arrays(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both arms as (seeds, crystals) arrays over the same crystals.

    Raises:
        StatisticsError: On different numbers of crystals, or fewer than ``SMALLEST_N``.
    """
    first, second = seeds_by_crystals(a, "a"), seeds_by_crystals(b, "b")
    if first.shape[1] != second.shape[1]:
        raise StatisticsError(
            f"the arms have {first.shape[1]} and {second.shape[1]} crystals; pair them by crystal id first."
        )
    if first.shape[1] < SMALLEST_N:
        raise StatisticsError(
            f"{first.shape[1]} crystals: no inference is made below {SMALLEST_N}; test on more."
        )
    return first, second


def paired_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b over (N,) crystals; equal differences stay equal.

    Two columns that differ by one number everywhere give differences that vary in their last bits; without care that
    rounding would be taken for the variation between crystals (a g_z of 1e14).
    """
    differences = a - b
    rounding = 8 * np.finfo(float).eps * max(float(np.abs(a).max()), float(np.abs(b).max()))
    if np.ptp(differences) > rounding:
        return differences
    middle = float(np.median(differences))
    return np.full(len(differences), middle if abs(middle) > rounding else 0.0)
