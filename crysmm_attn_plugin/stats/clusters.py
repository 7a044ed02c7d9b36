"""Crystals that belong together: one composition in several structures answers as one unit, not as several."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.errors import StatisticsError

#: With fewer clusters no test by cluster is made.
FEWEST_CLUSTERS = 5


def members_of(labels: ArrayLike, n: int) -> np.ndarray | None:
    """(n,) cluster index of each crystal; None where every label stands once, so that crystals are the units.

    Raises:
        StatisticsError: When there is not one label for each crystal, or fewer than ``FEWEST_CLUSTERS`` clusters.
    """
    found = np.asarray(labels)
    if found.shape != (n,):
        raise StatisticsError(
            f"clusters must have one label for each of the {n} crystals, got {found.shape}."
        )
    names, members = np.unique(found, return_inverse=True)
    if len(names) == n:
        return None
    if len(names) < FEWEST_CLUSTERS:
        raise StatisticsError(
            f"{len(names)} clusters are too few; at least {FEWEST_CLUSTERS} are needed: add crystals of other compositions."
        )
    return np.asarray(members)


def repeats(labels: np.ndarray) -> tuple[bool, int]:
    """Whether some label stands for several crystals, and how many labels there are."""
    groups = len(np.unique(labels))
    return groups < len(labels), groups
