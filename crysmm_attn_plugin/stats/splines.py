"""Cubic regression splines: flexible curves of what might drive two things at once (Hastie, Tibshirani and Friedman 2009, 5.2).

Not the natural ones, which are straight beyond the outer knots: what text length does is often steepest among the longest
texts, and a straight end leaves that to the metric.
"""

from __future__ import annotations

import numpy as np

#: Columns of a curve: one for every so many crystals, between these bounds.
CRYSTALS_A_COLUMN = 10
FEWEST, MOST = 3, 14


def curve(values: np.ndarray) -> np.ndarray:
    """(N, M) standardised columns that span the cubic splines of (N,) values with knots at quantiles.

    Fewer where the values have too few distinct numbers; no column where they do not vary.
    """
    spread = values.std()
    if not spread > 0:
        return np.empty((len(values), 0))
    x = (values - values.mean()) / spread
    wanted = int(np.clip(len(x) // CRYSTALS_A_COLUMN, FEWEST, MOST))
    knots = np.unique(np.quantile(x, np.linspace(0, 1, wanted - 1)[1:-1])) if wanted > 3 else np.empty(0)
    columns = [x, x**2, x**3, *(np.clip(x - knot, 0, None) ** 3 for knot in knots)]
    found = np.column_stack(columns)
    found = (found - found.mean(0)) / np.maximum(found.std(0), 1e-300)
    # orthogonal columns: the regression stays well conditioned whatever the knots
    u, s, _ = np.linalg.svd(found, full_matrices=False)
    return np.asarray(u[:, s > 1e-6 * s[0]] * np.sqrt(len(x)))
