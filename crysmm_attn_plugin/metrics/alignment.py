"""Alignment of attention with what a description says: does an atom read the mentions of its own element?

Everything is per map, over real cells. ``own`` marks the right keys of every row: for rows of atoms the tokens that mention
the atom's element, for rows of tokens the atoms of the element that the token mentions. Torch-free.

Sources: area under the curve with ties half (Mann & Whitney 1947), averaged over pairs of classes (Hand & Till 2001);
pointing game (Zhang et al. 2016); lift, the ratio of an observed to an expected share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Names of the values, in the order of their columns.
ALIGNMENT = ("alignment_auc", "alignment_pointing", "alignment_excess", "alignment_lift")
#: Differences of weights held at once.
AT_ONCE = 1 << 20


def alignment_of(weights: np.ndarray, own: np.ndarray) -> dict[str, np.ndarray]:
    """Every alignment number of one crystal's map.

    Args:
        weights: (heads, queries, keys), not negative; rows are renormalised.
        own: (queries, keys) bool: right keys of each row; a row without any is not judged.

    Returns:
        Name -> (heads,) float64:
        ``alignment_auc``: see ``Rights.auc``; ``alignment_pointing``: see ``Rights.pointing``; ``alignment_excess``: share
        of a row on its right keys minus what uniform attention gives, mean over judged rows; ``alignment_lift``: the same
        two shares summed over judged rows, as a ratio. Judged are rows with right and wrong keys; NaN where there are none.

    Raises:
        ValueError: On shapes that do not fit.
    """
    w = checked(weights, own)
    rights = rights_of(own)
    mass, share = np.einsum("hqk,qk->hq", w, own.astype(float)), own.mean(-1)
    return {
        "alignment_auc": rights.auc(w),
        "alignment_pointing": rights.pointing(w),
        "alignment_excess": excess(mass, share),
        "alignment_lift": lift(mass, share),
    }


def checked(weights: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Weights as (heads, queries, keys) float64, rows summing to one.

    Raises:
        ValueError: On shapes that do not fit.
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 3 or own.shape != w.shape[1:]:
        raise ValueError(
            f"weights must be (heads, queries, keys) and own (queries, keys), got {w.shape} and {own.shape}"
        )
    with np.errstate(all="ignore"):
        return np.asarray(w / w.sum(-1, keepdims=True))


def excess(mass: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mass on right keys minus the share of keys that are right, mean over the rows that have right and wrong keys.

    Args:
        mass: (..., rows).
        share: (rows,).

    Returns:
        (...), between -1 and 1, zero for uniform attention; NaN without such rows.
    """
    judged = (share > 0) & (share < 1)
    if not judged.any():
        return np.full(mass.shape[:-1], np.nan)
    found: np.ndarray = (mass - share)[..., judged].mean(-1)
    return found


def lift(mass: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mass on right keys over what uniform attention gives, both summed over the rows that have right and wrong keys.

    Args:
        mass: (..., rows).
        share: (rows,).

    Returns:
        (...), from zero, one for uniform attention; NaN without such rows.
    """
    judged = (share > 0) & (share < 1)
    if not judged.any():
        return np.full(mass.shape[:-1], np.nan)
    found: np.ndarray = mass[..., judged].sum(-1) / share[judged].sum()
    return found


@dataclass(frozen=True)
class _Contest:
    """One group of rows: its right keys against those of its rivals.

    Attributes:
        rows: Indices of its rows.
        mine, theirs: Places among ``Rights.places``.
        share: (mine * theirs,) how much each pair of keys counts; all contests together sum to one.
    """

    rows: np.ndarray
    mine: np.ndarray
    theirs: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class Rights:
    """Right keys of a map's rows, prepared once for all heads and scopes.

    Attributes:
        places: (m,) keys that are right for some row, ascending.
        known: (queries, m) bool: right keys of each row among ``places``.
        contests: Groups that have a rival.
        judged: (queries,) how much each row counts in the pointing game; sums to one, or all zero where nobody can err.
    """

    places: np.ndarray
    known: np.ndarray
    contests: tuple[_Contest, ...]
    judged: np.ndarray

    @property
    def nbytes(self) -> int:
        """What the arrays take."""
        arrays = [self.places, self.known, self.judged]
        arrays += [a for c in self.contests for a in (c.rows, c.mine, c.theirs, c.share)]
        return sum(a.nbytes + 112 for a in arrays)

    def auc(self, weights: np.ndarray) -> np.ndarray:
        """Probability that a right key gets more weight than a key that is right for another group's rows; ties are half.

        A key that is right for both groups of a pair counts on neither side. Rows of a group are averaged first, then all
        ordered pairs of groups: rows that are all alike, whatever they read, give exactly one half.

        Args:
            weights: (maps, queries, keys).

        Returns:
            (maps,), between 0 and 1; NaN where no two groups can be told apart.
        """
        if not self.contests:
            return np.full(len(weights), np.nan)
        cells = np.take(weights, self.places, axis=2)
        total = np.zeros(len(cells))
        for c in self.contests:
            step = max(1, AT_ONCE // (len(c.share) * len(cells)))
            for first in range(0, len(c.rows), step):
                rows = np.take(cells, c.rows[first : first + step], axis=1)
                mine, theirs = np.take(rows, c.mine, axis=2), np.take(rows, c.theirs, axis=2)
                apart = np.subtract(mine[..., None], theirs[:, :, None])
                np.sign(apart, out=apart)
                summed = np.add.reduce(apart.reshape(len(cells), -1, len(c.share)), axis=1)
                total += summed @ c.share / len(c.rows)
        return np.asarray((1 + total) / 2)

    def pointing(self, weights: np.ndarray) -> np.ndarray:
        """Share of rows whose heaviest key, among keys right for some row, is right; tied keys share the point.

        Rows of a group are averaged first, then the groups: rows that all point at the same key of one group give one over
        the number of groups.

        Args:
            weights: (maps, queries, keys).

        Returns:
            (maps,), between 0 and 1; NaN where no row can err.
        """
        if not self.judged.any():
            return np.full(len(weights), np.nan)
        cells = np.take(weights, self.places, axis=2)
        top = cells == np.maximum.reduce(cells, axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            points = np.add.reduce(top & self.known, axis=-1) / np.add.reduce(top, axis=-1)
        return np.asarray(points[:, self.judged > 0] @ self.judged[self.judged > 0])


def rights_of(own: np.ndarray) -> Rights:
    """Prepare the right keys of a map's rows.

    Args:
        own: (queries, keys) bool; rows with the same right keys, as one element's atoms have, are a group.
    """
    own = np.ascontiguousarray(own, bool)
    first: dict[bytes, int] = {}
    of_row = np.array([first.setdefault(row.tobytes(), len(first)) for row in own], np.intp)
    places = np.flatnonzero(own.any(0))
    known = own[:, places]
    rows = [np.flatnonzero(of_row == g) for g in range(len(first))]
    groups = {g: known[r[0]] for g, r in enumerate(rows) if known[r[0]].any()}
    judged = np.zeros(len(own))
    erring = [g for g, mine in groups.items() if not mine.all()]
    for g in erring:
        judged[rows[g]] = 1 / (len(rows[g]) * len(erring))
    pairs = [
        (g, h)
        for g, mine in groups.items()
        for h, other in groups.items()
        if (mine & ~other).any() and (other & ~mine).any()
    ]
    contests = []
    for g in dict.fromkeys(g for g, _ in pairs):
        mine = groups[g]
        share = np.zeros((len(places), len(places)))
        for h in (h for a, h in pairs if a == g):
            right, wrong = mine & ~groups[h], groups[h] & ~mine
            share[np.ix_(right, wrong)] += 1 / (right.sum() * wrong.sum() * len(pairs))
        a, b = np.flatnonzero(share.any(1)), np.flatnonzero(share.any(0))
        contests.append(_Contest(rows[g], a, b, share[np.ix_(a, b)].ravel()))
    return Rights(places, known, tuple(contests), judged)


def auc_against_all(weights: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Probability that a right key gets more weight than any other key of its row, ties half; mean over judged rows.

    Args:
        weights: (heads, queries, keys).
        own: (queries, keys) bool.

    Returns:
        (heads,) float64; NaN where no row has right and wrong keys.
    """
    w = checked(weights, own)
    found = [
        (1 + np.sign(w[:, q][:, own[q], None] - w[:, q][:, None, ~own[q]]).mean((1, 2))) / 2
        for q in np.flatnonzero(own.any(-1) & ~own.all(-1))
    ]
    return np.mean(found, axis=0) if found else np.full(len(w), np.nan)
