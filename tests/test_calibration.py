"""The small simulation grid: what is said of a metric keeps its rates, and methods that ignore something are caught."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibration.design import CRYSTAL_SD, SHAPES, SKEWED, Design, changes, studies
from benchmarks.calibration.rates import Rate, designs, rates_of

#: Enough for .055 and .13 to be told apart by five standard errors.
REPLICATES = 1000


@pytest.fixture(scope="module")
def rates() -> list[Rate]:
    found = []
    for index, design in enumerate(designs(small=True)):
        found += rates_of(design, REPLICATES, 199, np.random.default_rng(index))
    return found


def test_every_sentence_keeps_its_rate(rates: list[Rate]) -> None:
    assert [r for r in rates if r.word(3) == "FAIL"] == []
    assert {r.kind for r in rates} == {"false positive", "coverage", "false equivalence", "contradiction"}


def test_p_and_interval_of_several_runs_never_contradict_each_other(rates: list[Rate]) -> None:
    found = [r for r in rates if r.kind == "contradiction"]
    assert len(found) >= 3
    assert all(r.value == 0 for r in found)


def test_ignoring_runs_or_compositions_visibly_fails(rates: list[Rate]) -> None:
    wrong = {r.method: r for r in rates if r.wrong and r.design.shape not in SKEWED}
    assert set(wrong) == {"t over crystals alone", "sign flips, compositions ignored"}
    assert all(r.value > 0.09 for r in wrong.values())


def test_the_full_table_holds_what_is_promised() -> None:
    full = list(designs(small=False))
    assert len(full) == len(set(full)) > 100
    several = [d for d in full if d.several]
    assert max(d.ratio for d in several if np.isfinite(d.ratio)) == pytest.approx(25)
    assert {(2, 2), (2, 5), (2, 10), (3, 3), (4, 4)} <= {d.runs for d in several}
    assert {d.shape for d in full} == set(SHAPES)
    assert any(d.cluster > 1 for d in full)


@pytest.mark.parametrize("shape", SHAPES)
def test_simulated_changes_have_the_stated_mean_and_spread(shape: str) -> None:
    drawn = changes(Design(200, shape=shape), 500, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    if shape != "heavy":  # its fourth moment is infinite, and with it the error of its variance
        assert drawn.std() == pytest.approx(CRYSTAL_SD, rel=0.1)


def test_simulated_runs_vary_as_stated_and_compositions_belong_together() -> None:
    design = Design(60, (5, 5), (0.4, 0.1), noise=0.1)
    a, b = studies(design, 400, np.random.default_rng(1))
    for values, sd in ((a, 0.4), (b, 0.1)):
        between = values.mean(2).var(axis=1, ddof=1).mean()
        assert between == pytest.approx(sd**2 + 0.1**2 / 60, rel=0.1)
    grouped = changes(Design(60, cluster=3, icc=0.5), 2000, np.random.default_rng(2)).reshape(2000, 20, 3)
    between = grouped.mean(2).var() * 3 / CRYSTAL_SD**2
    assert between == pytest.approx(1 + 2 * 0.5, rel=0.1)
