"""How often each statement of one metric is wrong, by the package's own engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.calibration.design import SKEWED, Design, studies
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.equivalence import EQUIVALENCE_FROM
from crysmm_attn_plugin.stats.signflip import joint_flips

ALPHA = 0.05
#: Studies that are resampled together.
BLOCK = 250
#: One study in so many has its p compared with its interval.
CHECK_P = 10


@dataclass(frozen=True)
class Rate:
    """How often something happened in one design.

    Attributes:
        method: What was said.
        kind: ``false positive``, ``false equivalence`` or ``coverage``.
        value: Share of the replicates.
        low, high: Accepted range, or None where none is promised.
        wrong: In the table to show what a method that ignores something would do.
        withheld: No sentence is made of it here.
    """

    design: Design
    method: str
    kind: str
    value: float
    low: float
    high: float
    replicates: int
    wrong: bool = False
    withheld: bool = False

    def word(self, errors: float = 0.0) -> str:
        """``pass``, ``FAIL``, ``withheld``, or what a wrong method did; ``errors`` standard errors of simulation allowed."""
        slack = errors * float(np.sqrt(0.05 * 0.95 / self.replicates))
        inside = self.low - slack <= self.value <= self.high + slack
        if self.wrong:
            return "within the band here" if inside else "fails, as it should"
        if self.withheld:
            return "withheld"
        return "pass" if inside else "FAIL"


def designs(*, small: bool) -> Iterator[Design]:
    """Every design of the table, or a few."""
    if small:
        yield Design(50)
        yield Design(20, shape="lognormal", noise=0.0)
        yield Design(50, (2, 2), (0.8, 0.2))
        yield Design(50, (2, 5), (0.8, 0.2))
        yield Design(60, cluster=3, icc=0.5)
        yield Design(50, (4, 4), (0.1, 0.1), shared=0.8)
        return
    for n in (10, 20, 50, 100, 300):
        for shape in ("normal", "heavy", "tied", "exponential", "lognormal"):
            yield Design(n, shape=shape, noise=0.0)
    for runs in (
        (2, 2),
        (2, 3),
        (2, 5),
        (2, 10),
        (5, 2),
        (10, 2),
        (3, 3),
        (3, 8),
        (4, 4),
        (4, 8),
        (6, 6),
        (8, 8),
    ):
        for run_sd in ((0.0, 0.0), (0.05, 0.05), (0.3, 0.3), (0.4, 0.1), (1.0, 0.2), (0.2, 1.0), (0.3, 0.0)):
            yield Design(50, runs, run_sd)
    for runs in ((2, 2), (3, 3), (4, 4)):
        for n in (20, 300):
            yield Design(n, runs, (0.4, 0.1))
        for shape in ("heavy", "exponential", "lognormal"):
            yield Design(50, runs, (0.1, 0.1), shape=shape)
            yield Design(20, runs, (0.02, 0.02), noise=0.1, shape=shape)
    for icc in (0.2, 0.5):
        for shape in ("normal", "lognormal"):
            yield Design(60, cluster=3, icc=icc, shape=shape)
            yield Design(300, cluster=5, icc=icc, shape=shape)
        yield Design(60, (3, 3), (0.05, 0.05), cluster=3, icc=icc)
        yield Design(60, (4, 4), (0.4, 0.1), cluster=3, icc=icc)
    for k in (3, 4, 6):
        yield Design(50, (k, k), (0.1, 0.1), shared=0.8)


def rates_of(design: Design, replicates: int, n_resamples: int, rng: np.random.Generator) -> list[Rate]:
    """Every rate of one design."""
    count = dict.fromkeys(
        ("interval", "p", "both", "t", "low", "high", "new", "ignored", "ignored flips", "contradiction"), 0
    )
    done = 0
    while done < replicates:
        size = min(BLOCK, replicates - done)
        a, b = studies(design, size, rng)
        contrasts = [
            Contrast(x, y, members=design.members(), paired_seeds=design.shared > 0) for x, y in zip(a, b)
        ]
        resample(contrasts, n_resamples=n_resamples, seed=int(rng.integers(2**31)))
        _count(design, contrasts, a, b, n_resamples, rng, count)
        done += size
    return _rates(design, {k: v / replicates for k, v in count.items()}, replicates)


def _count(
    design: Design,
    contrasts: list[Contrast],
    a: np.ndarray,
    b: np.ndarray,
    n_resamples: int,
    rng: np.random.Generator,
    count: dict[str, int],
) -> None:
    p = None
    if not design.several:
        members = design.members()
        d = np.stack([c.differences for c in contrasts], axis=1)
        if members is not None:
            count["ignored flips"] += int((joint_flips(d, n_resamples=n_resamples, seed=1)[0] < ALPHA).sum())
            d = np.stack([np.bincount(members, weights=x) for x in d.T], axis=1)
        p = joint_flips(d, n_resamples=n_resamples, seed=int(rng.integers(2**31)))[0]
    new = _new_runs(design, len(contrasts), rng)
    for i, contrast in enumerate(contrasts):
        spread = contrast.spread()
        low, high = spread.interval(ALPHA)
        apart = low > 0 or high < 0
        # p of several runs is the interval's own inversion: asked of some studies, to see that it is
        if p is not None:
            mine = float(p[i])
        elif i % CHECK_P == 0:
            mine = spread.p_value()
            count["contradiction"] += apart != (mine < ALPHA)
        else:
            mine = 0.0 if apart else 1.0
        count["interval"] += apart
        count["p"] += mine < ALPHA
        count["both"] += apart and mine < ALPHA
        if design.several:
            from_, to = spread.interval(ALPHA, new_run=True)
            count["new"] += from_ <= new[i] <= to
        # the true change at the bound: an interval of 90 % on the inner side of it is a false "equivalent"
        inner_low, inner_high = spread.interval(2 * ALPHA)
        count["low"] += inner_high < 0
        count["high"] += inner_low > 0
        d = contrast.differences
        t = abs(d.mean()) / (d.std(ddof=1) / np.sqrt(design.n))
        count["ignored"] += t > stats.t.ppf(1 - ALPHA / 2, design.n - 1)


def _new_runs(design: Design, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Difference of the means of one new run of each arm, over as many new crystals."""
    if design.shared:
        spread = np.hypot(*design.run_sd)
    else:
        spread = float(np.sqrt(design.run_sd[0] ** 2 + design.run_sd[1] ** 2))
    return spread * rng.standard_normal(replicates) + design.noise * np.sqrt(
        2 / design.n
    ) * rng.standard_normal(replicates)


def _rates(design: Design, share: dict[str, float], replicates: int) -> list[Rate]:
    skewed = design.shape in SKEWED
    several = design.several
    limit = 0.055 if several and not skewed else 0.06 if not skewed else 0.07
    found = [
        Rate(
            design, "outcome: p and interval", "false positive", share["both"], 0.0, limit, replicates,
            withheld=design.n < 20 and skewed,
        ),
        Rate(
            design, "interval", "coverage", 1 - share["interval"], 0.925 if skewed else 0.94, 1.0, replicates,
            withheld=design.n < 20 and skewed,
        ),
        Rate(
            design, "equivalence", "false equivalence", max(share["low"], share["high"]), 0.0,
            0.075 if skewed else 0.06, replicates,
            withheld=(design.n / design.cluster) < EQUIVALENCE_FROM,
        ),
    ]  # fmt: skip
    if several:
        found.append(
            Rate(design, "p against its interval", "contradiction", share["contradiction"], 0, 0, replicates)
        )
        found.append(Rate(design, "interval for new runs", "coverage", share["new"], 0.94, 1.0, replicates))
        if sum(design.run_sd) > 0.15 or design.shared:
            found.append(
                Rate(
                    design,
                    "t over crystals alone",
                    "false positive",
                    share["ignored"],
                    0,
                    0.06,
                    replicates,
                    True,
                )
            )
    else:
        found.append(
            Rate(
                design, "p alone (sign flips)", "false positive", share["p"], 0.0, 0.06, replicates,
                wrong=skewed, withheld=False,
            )
        )  # fmt: skip
        if design.cluster > 1:
            found.append(
                Rate(
                    design, "sign flips, compositions ignored", "false positive", share["ignored flips"], 0, 0.06,
                    replicates, True,
                )
            )  # fmt: skip
    return found
