"""Natural cubic splines: flexible curves of what might drive two things at once (Hastie, Tibshirani and Friedman 2009, 5.2)."""

from __future__ import annotations

import numpy as np

#: Columns of a curve: one for every so many crystals, between these bounds.
CRYSTALS_A_COLUMN = 16
FEWEST, MOST = 3, 8


def curve(values: np.ndarray) -> np.ndarray:
    """(N, M) standardised columns that span the natural cubic splines of (N,) values with knots at quantiles.

    A straight line where the values have too few distinct numbers for more; no column where they do not vary.
    """
    spread = values.std()
    if not spread > 0:
        return np.empty((len(values), 0))
    x = (values - values.mean()) / spread
    wanted = int(np.clip(len(x) // CRYSTALS_A_COLUMN, FEWEST, MOST))
    # ends inside the data, so that no column rests on the outermost crystal alone
    knots = np.unique(np.quantile(x, np.linspace(0.02, 0.98, wanted + 1)))
    columns = [x]
    if len(knots) > 2:
        last, before = knots[-1], knots[-2]

        def bent(knot: float) -> np.ndarray:
            cubes = np.clip(x - knot, 0, None) ** 3 - np.clip(x - last, 0, None) ** 3
            return np.asarray(cubes / (last - knot))

        columns += [bent(k) - bent(before) for k in knots[:-2]]
    found = np.column_stack(columns)
    found = found - found.mean(0)
    # orthogonal columns: the regression stays well conditioned whatever the knots
    u, s, _ = np.linalg.svd(found, full_matrices=False)
    return np.asarray(u[:, s > 1e-8 * s[0]] * np.sqrt(len(x)))
