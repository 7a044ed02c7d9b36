"""Sign-flip permutation tests of paired differences: exact for few crystals, sampled for many.

Under the null hypothesis that each difference is as likely to be positive as negative, every assignment of signs is
equally likely (Fisher 1935). The same flips serve every metric, so joint tests keep the metrics' correlation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Up to this many units every assignment of signs is used.
EXACT_UP_TO = 20
#: Bytes of one block of sampled signs.
BLOCK_BYTES = 64 * 2**20


def sign_flip(differences: np.ndarray, *, n_resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the mean of ``differences``.

    Args:
        differences: (N,).
        n_resamples: Sampled assignments when N is above ``EXACT_UP_TO``; then p = (b + 1) / (B + 1).
        seed: Seed of the sampled signs.

    Returns:
        1 when every difference is zero.
    """
    observed = abs(float(differences.sum()))
    scale = float(np.abs(differences).sum())
    if scale == 0:
        return 1.0
    tolerance = 1e-10 * scale
    extreme = total = 0
    for sums in flipped_sums(differences[:, None], n_resamples=n_resamples, seed=seed):
        extreme += int((np.abs(sums[:, 0]) >= observed - tolerance).sum())
        total += len(sums)
    return extreme / total if len(differences) <= EXACT_UP_TO else (extreme + 1) / (total + 1)


def flipped_sums(differences: np.ndarray, *, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Column sums of ``differences`` (N, M) under flipped signs, in blocks of (flips, M).

    Exact enumeration up to ``EXACT_UP_TO`` rows (the identity included), else ``n_resamples`` sampled assignments. A
    flipped sum is the total minus twice the sum over flipped rows, so a block is one matrix product of bits.
    """
    n = len(differences)
    total = differences.sum(0)
    if n <= EXACT_UP_TO:
        sums = np.zeros((1, differences.shape[1]))
        for row in differences:
            sums = np.concatenate([sums + row, sums - row])
        yield sums
        return
    rng = np.random.default_rng(seed)
    # single precision for the product when there are many rows: the sums' rounding stays far below their spread
    kind = np.float64 if n <= 5000 else np.float32
    values = differences.astype(kind)
    bytes_per_row = -(-n // 8)
    block = max(1, min(n_resamples, BLOCK_BYTES // (n * np.dtype(kind).itemsize)))
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        packed = np.frombuffer(rng.bytes(rows * bytes_per_row), np.uint8).reshape(rows, bytes_per_row)
        bits = np.unpackbits(packed, axis=1, count=n).astype(kind)
        yield total - 2 * (bits @ values).astype(float)
