"""Sign-flip permutation tests of paired differences: exact for few crystals, sampled for many.

Under the null hypothesis that each difference is as likely to be positive as negative, every assignment of signs is
equally likely (Fisher 1935). The same flips serve every metric, so joint tests keep the metrics' correlation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from crysmm_attn_plugin.errors import StatisticsError

#: Up to this many units every assignment of signs is used.
EXACT_UP_TO = 20
#: Bytes of one block of sampled signs.
BLOCK_BYTES = 64 * 2**20


#: Numbers in one block of enumerated sums: small enough to stay in the processor's cache.
EXACT_BLOCK = 2**16
#: Up to this many columns (one, beyond ``SINGLE_ABOVE`` rows) sums come from tables of eight rows' 256 sums, which takes
#: half to a tenth of the time of a matrix product.
TABLE_UP_TO = 16
#: Above this many rows the product is in single precision: its rounding stays far below the sums' spread.
SINGLE_ABOVE = 5000
#: Bytes of one sampled sign pattern are whole 64-bit words, so that blocks of any size draw the same patterns.
_WORD = 64

Alternative = Literal["two-sided", "greater", "less"]


def sign_flip(
    differences: ArrayLike,
    *,
    n_resamples: int = 10_000,
    seed: int = 0,
    alternative: Alternative = "two-sided",
    chunk: int | None = None,
) -> float:
    """p of the mean of ``differences`` under random signs.

    The mean orders assignments of signs as Student's t does: the sum of squares is the same for all of them.

    Args:
        differences: (N,).
        n_resamples: Sampled assignments when N is above ``EXACT_UP_TO``; then p = (b + 1) / (B + 1) (Phipson and
            Smyth 2010).
        seed: Seed of the sampled signs.
        alternative: ``two-sided``, ``greater`` (mean above 0) or ``less``.
        chunk: Assignments held at once; the result does not depend on it.

    Returns:
        1 when every difference is zero.

    Raises:
        StatisticsError: When a difference is not finite, there is none, or the alternative is unknown.
    """
    d = np.asarray(differences, dtype=float).ravel()
    bad = int((~np.isfinite(d)).sum())
    if bad or not len(d):
        raise StatisticsError(
            f"{bad} of {len(d)} differences are not finite; leave those crystals out first."
            if bad
            else "there are no differences to test."
        )
    if alternative not in ("two-sided", "greater", "less"):
        raise StatisticsError(f"unknown alternative {alternative!r}; use two-sided, greater or less.")
    if alternative == "less":
        d = -d
    two_sided = alternative == "two-sided"
    if len(d) <= EXACT_UP_TO:
        return exact_p(d, two_sided=two_sided)
    observed = float(d.sum())
    threshold = (abs(observed) if two_sided else observed) - 1e-10 * float(np.abs(d).sum())
    extreme = total = 0
    for sums in flipped_sums(d[:, None], n_resamples=n_resamples, seed=seed, chunk=chunk):
        column = np.abs(sums[:, 0]) if two_sided else sums[:, 0]
        extreme += int((column >= threshold).sum())
        total += len(column)
    return (extreme + 1) / (total + 1)


def exact_p(differences: np.ndarray, *, two_sided: bool = True) -> float:
    """p over all 2^N assignments of signs, from the sorted sums of two halves.

    Every sum is one of the first half's plus one of the second half's; how many reach the observed one is a sorted
    search, so 2^20 assignments cost a thousand searches.

    Args:
        differences: (N,), N at most about 40.
        two_sided: Count |sum|; else sums at or above the observed one.
    """
    half = len(differences) // 2
    first, second = (_signs(len(part)) @ part for part in (differences[:half], differences[half:]))
    second.sort()
    observed = float(differences.sum())
    # sums that are equal on paper differ in their last bits
    threshold = (abs(observed) if two_sided else observed) - 1e-10 * float(np.abs(differences).sum())
    above = len(second) - np.searchsorted(second, threshold - first, side="left")
    extreme = int(above.sum())
    if two_sided:
        # the sums are symmetric about 0; a threshold at 0 or below counts every one
        extreme = 2 * extreme if threshold > 0 else len(first) * len(second)
    return extreme / (len(first) * len(second))


def _signs(n: int) -> np.ndarray:
    """(2^n, n) matrix of every assignment of signs."""
    codes = np.arange(2**n, dtype=np.uint64)[:, None]
    return 2.0 * ((codes >> np.arange(n, dtype=np.uint64)) & np.uint64(1)) - 1.0


def flipped_sums(
    differences: np.ndarray, *, n_resamples: int, seed: int, chunk: int | None = None
) -> Iterator[np.ndarray]:
    """Column sums of ``differences`` (N, M) under flipped signs, in blocks of (flips, M), for two-sided statistics.

    Up to ``EXACT_UP_TO`` rows every assignment that leaves the first sign alone (the others are their mirror images),
    else ``n_resamples`` sampled ones. A flipped sum is the total minus twice the sum over flipped rows, so a block is
    a table look-up or one matrix product of bits.
    """
    n = len(differences)
    total = differences.sum(0)
    if n <= EXACT_UP_TO:
        half = n // 2
        first = _signs(max(half - 1, 0)) @ differences[1 : max(half, 1)] + differences[0]
        second = _signs(n - max(half, 1)) @ differences[max(half, 1) :]
        rows = max(1, EXACT_BLOCK // second.size)
        for start in range(0, len(first), rows):
            yield (first[start : start + rows, None, :] + second[None, :, :]).reshape(
                -1, differences.shape[1]
            )
        return
    rng = np.random.default_rng(seed)
    m = differences.shape[1]
    by_table = m <= TABLE_UP_TO and (m == 1 or n <= SINGLE_ABOVE)
    kind = np.float64 if n <= SINGLE_ABOVE else np.float32
    values: np.ndarray = differences.astype(kind)
    bytes_per_row = -(-n // _WORD) * _WORD // 8
    # one product of the block also yields M sums a flip, which matters when there are more columns than rows
    width = 2 * bytes_per_row + 16 * m if by_table else max(n, m) * np.dtype(kind).itemsize
    block = max(1, min(n_resamples, chunk or BLOCK_BYTES // width))
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        words = rng.integers(0, 2**64 - 1, (rows, bytes_per_row // 8), dtype=np.uint64, endpoint=True)
        packed = words.view(np.uint8)
        if by_table:
            yield total - 2 * _sums_by_table(differences, packed)
        else:
            bits: np.ndarray = np.unpackbits(packed, axis=1, count=n).astype(kind)
            yield total - 2 * (bits @ values).astype(float)


def joint_flips(
    differences: np.ndarray,
    families: Sequence[Sequence[int]] = (),
    *,
    n_resamples: int,
    seed: int,
    chunk: int | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Two-sided p of every column's mean, and step-down max-T p within families, from one set of flips.

    The flips are those of ``sign_flip`` and ``max_t_step_down`` with the same seed; drawing them once serves all columns.

    Args:
        differences: (N, M), one column a metric, the same units in every row.
        families: Columns that are adjusted together.
        n_resamples, seed: Of the flips when N is above ``EXACT_UP_TO``.

    Returns:
        (M,) p, and one array a family. Columns of zeros have p 1.
    """
    n, m = differences.shape
    lengths = np.sqrt((differences**2).sum(0))
    # signs leave a column's sum of squares alone: |sum| over its root orders assignments as |t| does
    values = differences / np.where(lengths > 0, lengths, 1)
    observed = np.abs(values.sum(0)) - 1e-10 * np.abs(values).sum(0)
    orders = [np.asarray(f)[np.argsort(-observed[list(f)], kind="stable")] for f in families]
    extreme = np.zeros(m)
    joint = [np.zeros(len(order)) for order in orders]
    total = 0
    for sums in flipped_sums(values, n_resamples=n_resamples, seed=seed, chunk=chunk):
        np.abs(sums, out=sums)
        extreme += (sums >= observed).sum(0)
        for order, count in zip(orders, joint):
            # successive maxima from the least significant metric upwards
            highest = np.maximum.accumulate(sums[:, order[::-1]], axis=1)[:, ::-1]
            count += (highest >= observed[order]).sum(0)
        total += len(sums)
    more = 0 if n <= EXACT_UP_TO else 1
    p = np.where(lengths > 0, (extreme + more) / (total + more), 1.0)
    adjusted = []
    for family, order, count in zip(families, orders, joint):
        stepped = np.minimum(np.maximum.accumulate((count + more) / (total + more)), 1)
        place = dict(zip(order.tolist(), stepped))
        adjusted.append(np.array([place[c] if lengths[c] > 0 else 1.0 for c in family]))
    return p, adjusted


def _sums_by_table(differences: np.ndarray, packed: np.ndarray) -> np.ndarray:
    """(flips, M) sums over the rows whose bit is set, eight rows a look-up.

    Args:
        differences: (N, M).
        packed: (flips, bytes) bits, most significant first, at least N of them a flip.
    """
    n, m = differences.shape
    patterns: np.ndarray = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(float)
    eights: np.ndarray = np.zeros((-(-n // 8), 8, m))
    eights.reshape(-1, m)[:n] = differences
    sums = np.zeros((len(packed), m))
    for eight, codes in zip(eights, np.ascontiguousarray(packed.T)):
        sums += (patterns @ eight)[codes] if m > 1 else (patterns @ eight[:, 0])[codes][:, None]
    return sums
