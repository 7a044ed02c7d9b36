"""How often a comparison of four metrics says a word that is wrong: the whole ladder, by the package's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.design import CRYSTAL_SD, Design
from crysmm_attn_plugin.stats.equivalence import claims_equivalence
from crysmm_attn_plugin.stats.metric_results import disagreement_of
from crysmm_attn_plugin.stats.multiplicity import holm
from crysmm_attn_plugin.stats.paired import analyse
from crysmm_attn_plugin.stats.verdict import HYPOTHESIS_WORDS, claim_of, outcome, verdict

ALPHA = 0.05
CORRELATION = 0.8
#: Direction the hypothesis predicts for each of the four metrics.
SIGNS = (-1, 1, -1, 1)
#: Smallest effect of interest, in the values' unit.
SMALLEST = 0.1


@dataclass(frozen=True)
class WordRate:
    """How often a word was said that the truth forbids.

    Attributes:
        truth: What is true.
        runs: Runs per arm.
        run_sd: SD of run means in both arms.
        word: What is counted.
        high: The most accepted.
    """

    truth: str
    runs: tuple[int, int]
    run_sd: tuple[float, float]
    word: str
    value: float
    high: float
    replicates: int

    def passed(self, errors: float = 0.0) -> bool:
        """Whether the rate keeps its bound, with so many standard errors of simulation allowed."""
        return self.value <= self.high + errors * float(np.sqrt(0.05 * 0.95 / self.replicates))


def cases(*, small: bool) -> Iterator[tuple[str, tuple[float, ...], Design]]:
    """Truth, mean changes of the four metrics, and design."""
    nothing, some = (0.0,) * 4, tuple(s * 4 * SMALLEST for s in SIGNS)
    edge = tuple(s * 0.8 * SMALLEST for s in SIGNS)
    one_still = (*some[:3], 0.0)
    runs = ((1, 1), (4, 4)) if small else ((1, 1), (1, 4), (2, 2), (3, 3), (4, 4), (4, 8), (6, 6), (8, 8))
    for k in runs:
        for sd in ((0.1, 0.1),) if small else ((0.1, 0.1), (0.4, 0.1)):
            design = Design(50, k, sd)
            yield "no metric changes", nothing, design
            if small:
                continue
            yield "all change by 0.8 of the smallest effect", edge, design
            yield "three change as predicted, one does not", one_still, design


def word_rates(
    *, small: bool, replicates: int, n_resamples: int, seed: int, only: int | None = None
) -> list[WordRate]:
    """Rates of every case, or of one by its index."""
    found = []
    for index, (truth, means, design) in enumerate(cases(small=small)):
        if only not in (None, index):
            continue
        rng = np.random.default_rng([seed, 5, index])
        words = [_word(design, means, n_resamples, rng) for _ in range(replicates)]
        forbidden = {"supported", "contradicted", "conflicting", "partly_contradicted"}
        if truth == "no metric changes":
            forbidden |= {"partial"}
        if truth.startswith("all change"):
            forbidden |= {"partial"}
        label = "a wrong word about the hypothesis"
        high = 0.05
        if min(design.runs) < 4:
            forbidden, label, high = set(HYPOTHESIS_WORDS), "any word about the hypothesis", 0.0
        elif truth.startswith("three"):
            label = '"supported", or a word for the other direction'
        rate = sum(w in forbidden for w in words) / replicates
        found.append(WordRate(truth, design.runs, design.run_sd, label, rate, high, replicates))
    return found


def _word(design: Design, means: tuple[float, ...], n_resamples: int, rng: np.random.Generator) -> str:
    """The verdict of one simulated study of four metrics that move together."""
    pairs = _study(design, means, rng)
    claim = claim_of(min(design.runs))
    found, adjusted = analyse(
        pairs, families=[range(4)], n_resamples=n_resamples, seed=int(rng.integers(2**31)), alpha=ALPHA
    )
    p = adjusted[0] if adjusted else holm([f.paired.p_value for f in found])
    outcomes = []
    for analysis, sign, value in zip(found, SIGNS, p):
        paired, spread = analysis.paired, analysis.spread
        apart = disagreement_of(paired.p_value, paired.ci_low, paired.ci_high, ALPHA)
        outcomes.append(
            outcome(
                estimate=paired.mean_difference,
                expected_sign=sign,
                established=value < ALPHA and not apart,
                beyond=paired.ci_low >= SMALLEST or paired.ci_high <= -SMALLEST,
                equivalent=spread.p_equivalence(-SMALLEST, SMALLEST) < ALPHA and claims_equivalence(spread),
                claim=claim,
            )
        )
    return verdict(outcomes, claim)


def _study(
    design: Design, means: tuple[float, ...], rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values of both arms for four metrics whose crystals and runs are correlated."""
    root = np.linalg.cholesky(np.full((4, 4), CORRELATION) + (1 - CORRELATION) * np.eye(4))
    change = CRYSTAL_SD * rng.standard_normal((design.n, 4)) @ root.T
    base = 4 + 0.5 * rng.standard_normal((design.n, 4))
    pairs = []
    arms = []
    for values, k, sd in zip((base + change + np.asarray(means), base), design.runs, design.run_sd):
        run = sd * rng.standard_normal((k, 1, 4)) @ root.T
        arms.append(values + run + design.noise * rng.standard_normal((k, design.n, 4)))
    for m in range(4):
        pairs.append((np.ascontiguousarray(arms[0][..., m]), np.ascontiguousarray(arms[1][..., m])))
    return pairs
