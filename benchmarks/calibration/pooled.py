"""How often pooled intervals hold the truth: data sets that differ, few of them, each with its own error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.design import Design, studies
from crysmm_attn_plugin.stats.contrast import Contrast
from crysmm_attn_plugin.stats.pooling import PREDICT_FROM, pool, standard_error

ALPHA = 0.05
ERRORS = ("alike", "one_precise", "estimated")


@dataclass(frozen=True)
class Pooling:
    """One kind of pooled study.

    Attributes:
        k: Data sets.
        tau: SD between data sets of the true change, in units of a typical standard error.
        errors: ``alike`` (standard errors between 0.3 and 1.5, known), ``one_precise`` (one of 0.1 among ones of 1, known),
            ``estimated`` (every data set is a simulated comparison of 50 crystals and 4 + 4 runs, its error taken from its
            own interval).
        shape: Of the true changes over data sets: ``normal`` or ``skewed``.
    """

    k: int
    tau: float
    errors: str = "alike"
    shape: str = "normal"


@dataclass(frozen=True)
class PooledRate:
    """What one kind of pooled study gave.

    Attributes:
        false_positive: Share with p below .05 though the mean change is 0.
        mean: Coverage of the mean's interval.
        prediction: Coverage of the prediction interval of another data set's true change; NaN where none is given.
        contradiction: Share in which p and interval disagree.
    """

    design: Pooling
    false_positive: float
    mean: float
    prediction: float
    contradiction: float
    replicates: int

    @property
    def shown(self) -> bool:
        """In the table for what it does: both intervals suppose that true changes are normal over data sets."""
        return self.design.shape != "normal"

    def passed(self, errors: float = 0.0) -> bool:
        """Whether all keep their bounds, with so many standard errors of simulation allowed."""
        if self.shown:
            return True
        slack = errors * float(np.sqrt(0.05 * 0.95 / self.replicates))
        return (
            self.false_positive <= 0.06 + slack
            and self.mean >= 0.94 - slack
            and self.contradiction == 0
            and not self.prediction < 0.92 - slack
        )


def poolings(*, small: bool) -> Iterator[Pooling]:
    """Every cell."""
    if small:
        for k in (3, 6):
            for tau in (0.0, 1.0):
                yield Pooling(k, tau)
        return
    for k in (2, 3, 4, 6, 10):
        for tau in (0.0, 0.3, 1.0, 3.0):
            yield Pooling(k, tau)
    for k in (2, 3, 5, 8):
        for tau in (0.0, 1.0, 3.0):
            yield Pooling(k, tau, "one_precise")
            yield Pooling(k, tau, "estimated")
        for tau in (1.0, 3.0):
            yield Pooling(k, tau, "alike", "skewed")


def pooled_rate(design: Pooling, *, replicates: int, rng: np.random.Generator) -> PooledRate:
    """Rates of one cell."""
    k, tau = design.k, design.tau
    scale = 0.15 if design.errors == "estimated" else 1.0
    drawn = _shape(design.shape, (replicates, k + 1), rng) * tau * scale
    truth, new = drawn[:, :k], drawn[:, k]
    if design.errors == "estimated":
        seen, errors = _estimated(truth, rng)
    else:
        errors = rng.uniform(0.3, 1.5, (replicates, k))
        if design.errors == "one_precise":
            errors = np.ones((replicates, k))
            errors[:, 0] = 0.1
        seen = truth + errors * rng.standard_normal((replicates, k))
    found = [pool(y, s, alpha=ALPHA) for y, s in zip(seen, errors)]
    covered = np.array([p.ci_low <= 0 <= p.ci_high for p in found])
    positive = np.array([p.p_value < ALPHA for p in found])
    inside = float("nan")
    if k >= PREDICT_FROM:
        ends = [(p.prediction_low, p.prediction_high) for p in found]
        inside = float(
            np.mean(
                [
                    low is not None and high is not None and low <= x <= high
                    for (low, high), x in zip(ends, new)
                ]
            )
        )
    return PooledRate(
        design,
        float(positive.mean()),
        float(covered.mean()),
        inside,
        float((positive == covered).mean()),
        replicates,
    )


def _shape(shape: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(size) if shape == "normal" else rng.exponential(1, size) - 1


def _estimated(truth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Differences and standard errors as ``pool_results`` takes them from simulated comparisons."""
    seen, errors = np.empty_like(truth), np.empty_like(truth)
    for column in range(truth.shape[1]):
        a, b = studies(Design(50, (4, 4), (0.2, 0.2)), len(truth), rng)
        for i, (x, y) in enumerate(zip(a + truth[:, column, None, None], b)):
            spread = Contrast(x, y).spread()
            seen[i, column] = spread.estimate
            errors[i, column] = standard_error(*spread.interval(ALPHA), ALPHA)
    return seen, errors
