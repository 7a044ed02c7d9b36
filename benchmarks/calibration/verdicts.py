"""Which word a comparison of four metrics ends in when the truth is known: the whole ladder, by the package's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.design import CRYSTAL_SD, Design
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.engine import Spread
from crysmm_attn_plugin.stats.equivalence import claims_equivalence
from crysmm_attn_plugin.stats.metric_results import beyond_smallest, disagreement_of
from crysmm_attn_plugin.stats.multiplicity import holm
from crysmm_attn_plugin.stats.results import Outcome, Verdict
from crysmm_attn_plugin.stats.signflip import joint_flips
from crysmm_attn_plugin.stats.verdict import HYPOTHESIS_WORDS, claim_of, outcome, verdict

ALPHA = 0.05
CORRELATION = 0.8
#: Direction the hypothesis predicts for each of the four metrics.
SIGNS = (-1, 1, -1, 1)
#: Smallest effect of interest, in the values' unit.
SMALLEST = 0.2
#: Studies that are resampled together.
BLOCK = 100
WORDS: tuple[Verdict, ...] = (
    "supported", "partial", "contradicted", "partly_contradicted", "conflicting", "negligible", "inconclusive",
    "checkpoints_differ", "checkpoints_alike", "estimates_only",
)  # fmt: skip
FOR = frozenset(("supported", "partial"))
AGAINST = frozenset(("contradicted", "partly_contradicted"))


@dataclass(frozen=True)
class Truth:
    """What is true of the four metrics, as multiples of the smallest effect in the predicted direction.

    Attributes:
        words: In words.
        changes: One a metric.
        false: Verdicts that this truth forbids, by what is wrong about them; each group keeps 5 %.
    """

    words: str
    changes: tuple[float, float, float, float]
    false: tuple[frozenset[Verdict], ...]


_ABOUT_A_CHANGE = FOR | AGAINST | {"conflicting", "checkpoints_differ"}
_ABOUT_NONE: frozenset[Verdict] = frozenset(("negligible", "checkpoints_alike"))
TRUTHS = (
    Truth("nothing changes", (0, 0, 0, 0), (_ABOUT_A_CHANGE,)),
    Truth("all change by 0.8 of the smallest effect", (0.8,) * 4, (_ABOUT_A_CHANGE,)),
    Truth("all change by the smallest effect", (1,) * 4, (_ABOUT_A_CHANGE, _ABOUT_NONE)),
    Truth(
        "all change fourfold as predicted",
        (4,) * 4,
        (AGAINST | {"conflicting"}, _ABOUT_NONE),
    ),
    Truth(
        "all change fourfold the other way",
        (-4,) * 4,
        (FOR | {"conflicting"}, _ABOUT_NONE),
    ),
    Truth(
        "three change as predicted, one does not",
        (4, 4, 4, 0),
        (AGAINST | {"supported", "conflicting"}, _ABOUT_NONE),
    ),
    Truth(
        "two change as predicted, two the other way",
        (4, 4, -4, -4),
        (frozenset(("supported", "contradicted")), _ABOUT_NONE),
    ),
)


@dataclass(frozen=True)
class VerdictRate:
    """How often every word was said of one truth in one design.

    Attributes:
        shares: Word -> share of the studies.
        wrong: Largest share of a group of words that the truth forbids.
    """

    truth: str
    runs: tuple[int, int]
    run_sd: tuple[float, float]
    shares: dict[str, float]
    wrong: float
    high: float
    replicates: int

    def passed(self, errors: float = 0.0) -> bool:
        """Whether the rate keeps its bound, with so many standard errors of simulation allowed."""
        return self.wrong <= self.high + errors * float(np.sqrt(0.05 * 0.95 / self.replicates))


def cases(*, small: bool) -> Iterator[tuple[Truth, Design]]:
    """Truth and design of every cell."""
    if small:
        for runs in ((1, 1), (3, 3), (4, 4)):
            for truth in (TRUTHS[0], TRUTHS[2]):
                yield truth, Design(50, runs, (0.0, 0.0) if runs == (1, 1) else (0.1, 0.1))
        return
    for runs in ((2, 2), (3, 3)):
        yield TRUTHS[0], Design(50, runs, (0.1, 0.1))
    for truth in TRUTHS:
        # without a run effect what is true of the architectures is true of the checkpoints
        yield truth, Design(50, (1, 1))
        for runs in ((4, 4), (4, 8), (6, 6)):
            for run_sd in ((0.05, 0.05), (0.4, 0.1)):
                yield truth, Design(50, runs, run_sd)


def verdict_rate(
    truth: Truth, design: Design, *, replicates: int, n_resamples: int, rng: np.random.Generator
) -> VerdictRate:
    """How often every word is said."""
    counts: Counter[str] = Counter()
    done = 0
    while done < replicates:
        size = min(BLOCK, replicates - done)
        found = _words(truth, design, size, n_resamples, rng)
        counts.update(found)
        done += size
    shares = {word: counts[word] / replicates for word in WORDS}
    groups = truth.false
    if claim_of(min(design.runs)) != "verdict":
        groups = (*groups, HYPOTHESIS_WORDS)
    wrong = max(sum(shares[w] for w in group if w in shares) for group in groups)
    return VerdictRate(truth.words, design.runs, design.run_sd, shares, wrong, 0.05, replicates)


def _words(
    truth: Truth, design: Design, size: int, n_resamples: int, rng: np.random.Generator
) -> list[Verdict]:
    """The verdicts of simulated studies."""
    studies = [_study(truth, design, rng) for _ in range(size)]
    contrasts = [[Contrast(a, b) for a, b in pairs] for pairs in studies]
    flat = [c for four in contrasts for c in four]
    resample(flat, n_resamples=n_resamples, seed=int(rng.integers(2**31)))
    spreads = [[c.spread() for c in four] for four in contrasts]
    if design.several:
        adjusted = [holm([_p_value(s) for s in four]) for four in spreads]
        alone = [[0.0] * 4] * size
    else:
        matrix = np.column_stack([c.differences for c in flat])
        families = [range(4 * i, 4 * i + 4) for i in range(size)]
        p, adjusted = joint_flips(matrix, families, n_resamples=n_resamples, seed=int(rng.integers(2**31)))
        alone = p.reshape(size, 4).tolist()
    return [_word(four, p, raw, design) for four, p, raw in zip(spreads, adjusted, alone)]


def _p_value(spread: Spread) -> float:
    low, high = spread.interval(ALPHA)
    # p is the interval's own inversion: it is looked for only where it can be below the level
    return spread.p_value() if low > 0 or high < 0 else 1.0


def _word(
    four: Sequence[Spread], adjusted: Sequence[float], alone: Sequence[float], design: Design
) -> Verdict:
    """One study's verdict."""
    claim = claim_of(min(design.runs))
    outcomes: list[Outcome] = []
    passed = beyond_smallest(four, [SMALLEST] * len(four), ALPHA)
    for spread, sign, value, p, passes in zip(four, SIGNS, adjusted, alone, passed):
        low, high = spread.interval(ALPHA)
        apart = bool(not design.several and disagreement_of(p, low, high, ALPHA))
        near = abs(spread.estimate) < SMALLEST
        outcomes.append(
            outcome(
                estimate=spread.estimate,
                expected_sign=sign,
                established=value < ALPHA and not apart,
                beyond=passes,
                equivalent=near
                and claims_equivalence(spread)
                and spread.p_equivalence(-SMALLEST, SMALLEST) < ALPHA,
                claim=claim,
            )
        )
    return verdict(outcomes, claim)


def _study(truth: Truth, design: Design, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values of both arms for four metrics whose crystals and runs are correlated."""
    root = np.linalg.cholesky(np.full((4, 4), CORRELATION) + (1 - CORRELATION) * np.eye(4))
    means = np.multiply(SIGNS, truth.changes) * SMALLEST
    change = CRYSTAL_SD * rng.standard_normal((design.n, 4)) @ root.T
    base = 4 + 0.5 * rng.standard_normal((design.n, 4))
    arms = []
    for values, k, sd in zip((base + change + means, base), design.runs, design.run_sd):
        run = sd * rng.standard_normal((k, 1, 4)) @ root.T
        arms.append(values + run + design.noise * rng.standard_normal((k, design.n, 4)))
    return [(np.ascontiguousarray(arms[0][..., m]), np.ascontiguousarray(arms[1][..., m])) for m in range(4)]
