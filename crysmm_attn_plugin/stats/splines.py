"""Cubic regression splines: flexible curves of what might drive two things at once (Hastie, Tibshirani and Friedman 2009, 5.2).

Not the natural ones, which are straight beyond the outer knots: what text length does is often steepest among the longest
texts, and a straight end leaves that to the metric.
"""

from __future__ import annotations

import numpy as np

#: Size of a jump's statistic from which on it gets a column, and the most columns a response may ask for.
JUMP, MOST_JUMPS = 3.5, 6
#: Fewest crystals beside a jump.
APART = 3
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


def jumps(values: np.ndarray, responses: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(N, M) columns of 0 and 1 for jumps that curves cannot follow: where a response steps along ``values``.

    Each response is looked at on its own, so that a step in either of two things that length drives is taken out of both
    (double selection: Belloni, Chernozhukov and Hansen 2014). The strongest cut of what the columns leave is added until
    none stands out; a step too small to be found is too small to make two things go together.

    Args:
        values: (N,) what may drive the responses.
        responses: (N, R).
        columns: (N, P) curves that are there already.
    """
    n = len(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # a cut lies between different values and leaves some crystals on either side
    places = np.flatnonzero(ordered[1:] > ordered[:-1]) + 1
    places = places[(places >= APART) & (places <= n - APART)]
    found: dict[int, np.ndarray] = {}
    most = min(MOST_JUMPS, n // 20)
    for response in responses.T if len(places) else ():
        for _ in range(most):
            basis, _ = np.linalg.qr(np.column_stack([np.ones(n), columns, *found.values()]))
            rest = response - basis @ (basis.T @ response)
            scale = float(np.sqrt((rest**2).sum() / max(n - basis.shape[1], 1)))
            if not scale > 0:
                break
            # the columns' share of every step is taken off its length
            sums = np.cumsum(basis[order], axis=0)[places - 1]
            lengths = places - (sums**2).sum(1)
            size = np.abs(np.cumsum(rest[order])[places - 1]) / np.sqrt(np.maximum(lengths, 1e-9)) / scale
            # cuts side by side would leave a crystal to itself, which no robust error survives
            near = [np.abs(places - place) < APART for place in found]
            size[np.logical_or.reduce([lengths < 0.5, *near])] = 0.0
            best = int(np.argmax(size))
            if size[best] < JUMP:
                break
            found[int(places[best])] = (values < ordered[places[best]]).astype(float)
    return np.column_stack(list(found.values())) if found else np.empty((n, 0))
