"""The small simulation grid: what is offered keeps its bands, and tests that are wrong on purpose are caught."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.calibration.families import FamilyRate, batched_holm, run_families
from benchmarks.calibration.grid import Rate, cells, coverage_band, run_grid
from benchmarks.calibration.model import DISTRIBUTIONS, ITEM_SD, Cell, atom_level_t, simulate
from benchmarks.calibration.table import counts, harness_sees, markdown, word

REPLICATES = 2000
RESAMPLES = 500


@pytest.fixture(scope="module")
def grid() -> tuple[list[Rate], float]:
    return run_grid(small=True, replicates=REPLICATES, n_resamples=RESAMPLES, seed=1)


@pytest.fixture(scope="module")
def families() -> list[FamilyRate]:
    return run_families(small=True, replicates=300, n_resamples=RESAMPLES, seed=1)


def test_the_test_that_takes_atoms_as_units_visibly_fails(grid: tuple[list[Rate], float]) -> None:
    rates = [r for r in grid[0] if r.method == "atoms as units"]
    assert {r.cell.distribution for r in rates} == set(DISTRIBUTIONS)
    for rate in rates:
        assert rate.wrong
        assert rate.passed is False
        assert rate.value > 0.15, rate  # ICC .5 and 8 atoms: about a third false positives
        assert word(rate) == "fails, as it should"
    assert harness_sees(grid[0])


def test_ignoring_training_runs_visibly_fails(grid: tuple[list[Rate], float]) -> None:
    rates = [r for r in grid[0] if r.method in ("runs ignored", "one seed read as architecture")]
    assert rates
    assert all(r.passed is False and r.value > 0.2 for r in rates)


def test_every_offered_method_keeps_its_band(
    grid: tuple[list[Rate], float], families: list[FamilyRate]
) -> None:
    assert {r.method for r in grid[0] if not r.wrong and r.passed is not None} == {
        "sign-flip", "bootstrap-t", "two-way interval", "two-way t",
    }  # fmt: skip
    assert [r for r in [*grid[0], *families] if word(r) == "FAIL"] == []


def test_family_corrections_hold_where_raw_p_values_do_not(families: list[FamilyRate]) -> None:
    null = {r.method: r for r in families if r.setting == "family-wise error: no metric changes"}
    assert null["unadjusted"].value > 0.08
    assert null["step-down max-T"].passed
    assert null["Holm"].value <= null["step-down max-T"].value + 0.02


def test_the_batched_methods_are_the_packages(grid: tuple[list[Rate], float]) -> None:
    assert grid[1] < 1e-3


def test_a_harness_that_catches_nothing_is_noticed(grid: tuple[list[Rate], float]) -> None:
    lenient = [dataclasses.replace(r, low=0.0, high=1.0) for r in grid[0]]
    assert not harness_sees(lenient)
    assert not harness_sees([])
    strict = [
        dataclasses.replace(r, low=0.0, high=0.0, margin=0.0) for r in grid[0] if r.kind == "false positive"
    ]
    assert counts(strict).get("FAIL", 0) > 0
    assert "Every miss" in markdown(strict, [])
    assert "- sign-flip, false positive" in markdown(strict, [])


def test_the_full_grid_is_the_stated_one() -> None:
    full = list(cells())
    assert len(full) == len(set(full)) == 3 * 3 * 3 * 5 * 5
    assert {c.n for c in full} == {20, 50, 300}
    assert {c.icc for c in full} == {0.1, 0.5, 0.9}
    assert {c.run_sd for c in full} == {0.0, 0.05, 0.2}
    assert {c.k for c in full} == {1, 2, 3, 5, 10}
    assert coverage_band(Cell(50, 0.5, 0, 1, "normal")) == (0.94, 0.96)
    assert coverage_band(Cell(50, 0.5, 0, 1, "lognormal")) == (0.92, 1.0)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_simulated_changes_have_the_stated_mean_spread_and_icc(distribution: str) -> None:
    cell = Cell(200, 0.5, 0.0, 1, distribution)
    a, b, runs_a, _, atoms = simulate(cell, 400, np.random.default_rng(0))
    change = a[:, 0] - b[:, 0]
    assert change.mean() == pytest.approx(0, abs=0.01)
    assert np.all(runs_a == 0)
    noise = ITEM_SD**2 * (1 / 0.5 - 1) * np.mean(1 / atoms)
    tolerance = 0.03 if distribution != "skewed" else 0.1
    assert np.mean(change.var(1, ddof=1)) == pytest.approx(ITEM_SD**2 + noise, rel=tolerance + 0.03)


def test_the_shortcut_of_the_atom_level_test_is_the_test_on_drawn_atoms() -> None:
    """Atoms drawn one by one about their crystal's mean, against the chi-squared sum that stands for them."""
    cell = Cell(40, 0.5, 0.0, 1, "normal")
    rng = np.random.default_rng(2)
    sd = ITEM_SD * np.sqrt((1 - cell.icc) / cell.icc)
    drawn = []
    for _ in range(3000):
        atoms = ITEM_SD * rng.standard_normal((40, 1)) + sd * rng.standard_normal((40, 8))
        drawn.append(atoms.mean() / (atoms.std(ddof=1) / np.sqrt(320)))
    a, b, _, _, counts_ = simulate(cell, 3000, rng)
    short = atom_level_t(cell, a[:, 0] - b[:, 0], counts_, rng)
    assert np.std(short) == pytest.approx(np.std(drawn), rel=0.05)
    assert np.mean(np.abs(short) > 1.97) == pytest.approx(np.mean(np.abs(drawn) > 1.97), abs=0.04)


def test_batched_holm_keeps_its_rows_apart() -> None:
    p = np.random.default_rng(0).uniform(size=(20, 4)) ** 2
    from crysmm_attn_plugin.stats import holm

    assert batched_holm(p) == pytest.approx(np.array([holm(row) for row in p]))
