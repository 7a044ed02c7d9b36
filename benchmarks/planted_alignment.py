"""Planted truth: attention that points at own-element mentions with a known strength, and the intervals that find it.

Each replicate makes two arms of crystals: scores of the baseline are noise, of the arm noise plus ``strength`` on the tokens
that mention the atom's element, with a strength of its own for every crystal. Both go through the project's metric and its
paired comparison; counted is how often the interval holds the difference that endless crystals have.

    python -m benchmarks.planted_alignment --replicates 2000
"""

from __future__ import annotations

import argparse

import numpy as np

from crysmm_attn_plugin.metrics.alignment import alignment_of
from crysmm_attn_plugin.stats import compare_paired

#: Mean and spread between crystals of what is added to the scores of own-element mentions.
STRENGTHS = (0.0, 0.25, 0.75)
SPREAD = 0.3


def crystal(rng: np.random.Generator) -> np.ndarray:
    """(atoms, tokens) bool: which tokens mention each atom's element, for two to four elements."""
    elements = int(rng.integers(2, 5))
    atoms, tokens = int(rng.integers(elements, 13)), int(rng.integers(40, 160))
    mentioned = np.zeros((tokens, elements), bool)
    for e in range(elements):
        mentioned[rng.choice(tokens, int(rng.integers(1, 7)), replace=False), e] = True
    kinds = np.concatenate([np.arange(elements), rng.integers(0, elements, atoms - elements)])
    return mentioned.T[kinds]


def attention(own: np.ndarray, strength: float, rng: np.random.Generator, heads: int = 2) -> np.ndarray:
    """(heads, atoms, tokens) softmax of noise, part of it common to all atoms, plus ``strength`` on own mentions."""
    atoms, tokens = own.shape
    scores = rng.normal(size=(heads, atoms, tokens)) + 1.5 * rng.normal(size=(heads, 1, tokens))
    weights = np.exp(scores + strength * own)
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def difference(strength: float, rng: np.random.Generator) -> tuple[float, float]:
    """AUC of one crystal in the arm and in the baseline, mean over heads."""
    own = crystal(rng)
    mine = max(0.0, rng.normal(strength, SPREAD)) if strength else 0.0
    a, b = (float(alignment_of(attention(own, s, rng), own)["alignment_auc"].mean()) for s in (mine, 0.0))
    return a, b


def study(strength: float, replicates: int, crystals: int, seed: int = 0) -> dict[str, float]:
    """Coverage and power of the 95 % interval of the difference in ``alignment_auc``.

    Args:
        strength: Mean of what is planted.
        replicates: Comparisons.
        crystals: Crystals of each; drawn without replacement from a pool, so that replicates share none.
        seed: Seed.
    """
    rng = np.random.default_rng(seed)
    pool = np.array([difference(strength, rng) for _ in range(replicates * crystals)])
    pool = pool[np.isfinite(pool).all(1)]
    # the mean of the whole pool, which is as many times larger than a sample as there are replicates
    truth = float((pool[:, 0] - pool[:, 1]).mean()) if strength else 0.0
    held = found = total = 0
    for part in np.array_split(pool, replicates):
        result = compare_paired(part[:, 0], part[:, 1], n_resamples=999, seed=total)
        held += result.ci_low <= truth <= result.ci_high
        found += not result.ci_low <= 0 <= result.ci_high
        total += 1
    return {
        "strength": strength, "truth": truth, "mean_arm": float(pool[:, 0].mean()),
        "mean_baseline": float(pool[:, 1].mean()), "coverage": held / total, "found": found / total, "replicates": total,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--crystals", type=int, default=60)
    args = parser.parse_args()
    print("| Planted | AUC of the arm | of the baseline | True difference | Coverage | Found |")
    print("| --- | --- | --- | --- | --- | --- |")
    for strength in STRENGTHS:
        s = study(strength, args.replicates, args.crystals)
        print(
            f"| {strength:g} | {s['mean_arm']:.3f} | {s['mean_baseline']:.3f} | {s['truth']:.4f} | {s['coverage']:.3f} | "
            f"{s['found']:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
