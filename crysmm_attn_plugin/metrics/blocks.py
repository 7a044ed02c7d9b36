"""Does a map fall into blocks: how much of the variance between its rows lies between groups of rows, beyond chance.

The share of the sum of squares that lies between k groups of n rows is (k - 1) / (n - 1) on average when the rows are dealt
out to the groups at random; the numbers here are the share beyond that, over the largest it could be: zero for blocks that
chance explains, one for rows that differ between groups alone. Torch-free.

Source: expectation of the correlation ratio under permutation (Pearson 1905; Kelley 1935, epsilon squared).
"""

from __future__ import annotations

import numpy as np

#: Rows whose sum of squares around their mean is less than this share of all squares (a thousandth of their size) are alike:
#: a forward in single precision moves weights by a millionth, and by other millionths in another batch.
ALIKE = 1e-6


def block_share(points: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Share of the variance between rows that lies between groups, adjusted for chance.

    Args:
        points: (maps, n, d): the rows of each map.
        groups: (n,) group of each row, integers from zero.

    Returns:
        (maps,) float64, at most 1, zero on average under permuted rows; NaN for one group, for groups of one row each, and
        where all rows are alike.
    """
    dealt = one_hot(groups)
    centred = points - points.mean(1, keepdims=True)
    within = np.einsum("mnd,ng->mgd", centred, dealt)
    between = (np.einsum("mgd,mgd->mg", within, within) / dealt.sum(0)).sum(-1)
    total = np.einsum("mnd,mnd->m", centred, centred)
    squares = np.einsum("mnd,mnd->m", points, points)
    return adjusted(between, total, squares, dealt.shape[1], len(groups))


def nested_share(points: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Share of the variance within outer groups that lies between their inner groups, adjusted for chance.

    Args:
        points: (maps, n, d): the rows of each map.
        outer: (n,) outer group of each row (its element), integers from zero.
        inner: (n,) inner group of each row (its site), integers from zero; each lies in one outer group.

    Returns:
        (maps,) float64, at most 1, zero on average when rows are permuted within their outer groups; NaN where no outer
        group has two inner groups and more rows than inner groups, and where its rows are all alike.
    """
    share, expected, total = np.zeros((3, len(points)))
    squares = np.einsum("mnd,mnd->m", points, points)
    for g in range(int(outer.max(initial=-1)) + 1):
        rows = outer == g
        sites = np.unique(inner[rows], return_inverse=True)[1]
        n, k = int(rows.sum()), int(sites.max(initial=-1)) + 1
        if not 1 < k < n:
            continue
        mine = points[:, rows]
        dealt = one_hot(sites)
        centred = mine - mine.mean(1, keepdims=True)
        means = np.einsum("mnd,ng->mgd", centred, dealt)
        spread = np.einsum("mnd,mnd->m", centred, centred)
        share += (np.einsum("mgd,mgd->mg", means, means) / dealt.sum(0)).sum(-1)
        expected += spread * (k - 1) / (n - 1)
        total += spread
    with np.errstate(all="ignore"):
        return np.where(total > ALIKE * squares, (share - expected) / (total - expected), np.nan)


def one_hot(groups: np.ndarray) -> np.ndarray:
    """(n, groups) ones where a row belongs to a group."""
    return np.asarray(np.eye(int(groups.max(initial=-1)) + 1)[groups])


def adjusted(
    between: np.ndarray,
    total: np.ndarray,
    squares: np.ndarray,
    k: int | np.ndarray,
    n: int | np.ndarray,
) -> np.ndarray:
    """Share of a sum of squares that lies between groups, beyond its expectation under permutation.

    Args:
        between: Sum of squares between groups.
        total: Sum of squares around the mean of all rows.
        squares: Sum of squares around zero, against which ``total`` is judged to be none.
        k: Groups that hold rows.
        n: Rows.

    Returns:
        Of the shape of ``between``; NaN unless 1 < k < n and rows differ.
    """
    with np.errstate(all="ignore"):
        return beyond_chance(between / total, total > ALIKE * squares, k, n)


def beyond_chance(
    share: np.ndarray, differ: np.ndarray, k: int | np.ndarray, n: int | np.ndarray
) -> np.ndarray:
    """A share of a sum of squares beyond its expectation under permutation, over the largest it could be.

    Args:
        share: Share that lies between groups.
        differ: Whether rows differ at all.
        k: Groups that hold rows.
        n: Rows.

    Returns:
        Of the shape of ``share``; NaN unless 1 < k < n and rows differ.
    """
    with np.errstate(all="ignore"):
        chance = (np.asarray(k, float) - 1) / (np.asarray(n, float) - 1)
        defined = (np.asarray(k) > 1) & (np.asarray(k) < np.asarray(n)) & differ
        return np.where(defined, (share - chance) / (1 - chance), np.nan)
