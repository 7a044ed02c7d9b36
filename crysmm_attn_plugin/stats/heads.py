"""Heads of one module against each other, and the heads of two models as sets. Torch-free.

Sources: Jensen-Shannon divergence of several distributions (Lin 1991); optimal assignment (Kuhn 1955, as
``scipy.optimize.linear_sum_assignment`` computes it).
"""

from __future__ import annotations

import numpy as np


def divergence(shares: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of several distributions over its largest value.

    Args:
        shares: (heads, ..., n), not negative; normalised here.

    Returns:
        (...), 0 where all heads give the same distribution, 1 where no two share a key; NaN for a single head.
    """
    heads = len(shares)
    if heads < 2:
        return np.full(shares.shape[1:-1], np.nan)
    p = _normalised(shares)
    with np.errstate(all="ignore"):
        found = (_entropy(p.mean(0)) - _entropy(p).mean(0)) / np.log(heads)
    return np.asarray(np.where(np.isnan(found), np.nan, np.clip(found, 0, 1)))


def head_diversity(weights: np.ndarray) -> float:
    """How differently the heads of one map read: ``divergence`` of their rows, mean over rows.

    Args:
        weights: (heads, queries, keys).
    """
    return float(divergence(np.asarray(weights, float)).mean())


def pairwise_distances(weights: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distances between the heads of one map, in bits (0 to 1), mean over rows.

    Args:
        weights: (heads, queries, keys).

    Returns:
        (heads, heads), zero on the diagonal.
    """
    w = np.asarray(weights, float)
    heads = len(w)
    found = np.zeros((heads, heads))
    for a in range(heads):
        for b in range(a + 1, heads):
            found[a, b] = found[b, a] = np.sqrt(divergence(w[[a, b]])).mean()
    return found


def specialisation(shares: np.ndarray) -> np.ndarray:
    """How far each head reads from what the other heads read together: Jensen-Shannon distance to their mean.

    Args:
        shares: (heads, ..., n), not negative; normalised here.

    Returns:
        (heads, ...), 0 where a head reads as the others do on average, 1 where it shares nothing with them; NaN for a single
        head.
    """
    p = _normalised(shares)
    if len(p) < 2:
        return np.full(p.shape[:-1], np.nan)
    others = (p.sum(0) - p) / (len(p) - 1)
    return np.stack([np.sqrt(divergence(np.stack([mine, rest]))) for mine, rest in zip(p, others)])


def redundancy(shares: np.ndarray) -> np.ndarray:
    """How much of each head is had from another one: 1 - Jensen-Shannon distance to the nearest other head.

    Args:
        shares: (heads, ..., n), not negative; normalised here.

    Returns:
        (heads, ...), 1 where another head reads the same, 0 where none shares anything; NaN for a single head.
    """
    p = _normalised(shares)
    if len(p) < 2:
        return np.full(p.shape[:-1], np.nan)
    apart = np.full((len(p), *p.shape[:-1]), np.inf)
    for a in range(len(p)):
        for b in range(a + 1, len(p)):
            apart[a, b] = apart[b, a] = np.sqrt(divergence(p[[a, b]]))
    return np.asarray(1 - apart.min(1))


def match_heads(first: np.ndarray, second: np.ndarray) -> tuple[tuple[tuple[int, int], ...], np.ndarray]:
    """The heads of two models laid on each other as sets: the assignment with the smallest sum of distances.

    Args:
        first: (heads, crystals, classes) what each head of the one reads, shares.
        second: (other heads, crystals, classes) of the other, the same crystals.

    Returns:
        Pairs (head of the first, head of the second), and the Jensen-Shannon distance of every pair of heads (0 to 1),
        (heads, other heads), mean over crystals.
    """
    from scipy.optimize import linear_sum_assignment

    distance = np.empty((len(first), len(second)))
    for a, mine in enumerate(first):
        for b, other in enumerate(second):
            apart = np.sqrt(divergence(np.stack([mine, other])))
            distance[a, b] = np.nanmean(apart) if np.isfinite(apart).any() else np.nan
    if not np.isfinite(distance).all():
        return (), distance
    rows, columns = linear_sum_assignment(distance)
    return tuple((int(a), int(b)) for a, b in zip(rows, columns)), distance


def _normalised(shares: np.ndarray) -> np.ndarray:
    p = np.asarray(shares, float)
    with np.errstate(all="ignore"):
        return np.asarray(p / p.sum(-1, keepdims=True))


def _entropy(p: np.ndarray) -> np.ndarray:
    logs = np.zeros_like(p)
    np.log(p, out=logs, where=p > 0)
    return np.asarray(-np.where(np.isnan(p), np.nan, p * logs).sum(-1))
