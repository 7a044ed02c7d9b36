"""The grid of cells, and what each method did in each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.calibration.methods import (
    agrees_with_package,
    bootstrap_t_ends,
    sign_flip_p,
    two_way,
    two_way_ends,
    two_way_p,
)
from benchmarks.calibration.model import DISTRIBUTIONS, Cell, atom_level_t, simulate

N = (20, 50, 300)
ICC = (0.1, 0.5, 0.9)
RUN_SD = (0.0, 0.05, 0.2)
SEEDS = (1, 2, 3, 5, 10)
#: Replicates drawn at once (300 crystals x 10 seeds x 2 arms x 8 bytes = 48 MB a thousand).
DRAW = 1000


@dataclass(frozen=True)
class Rate:
    """How often something happened in one cell.

    Attributes:
        method: What was done.
        kind: ``false positive`` or ``coverage``.
        value: Share of the replicates.
        low, high: Accepted range, or None where none is promised.
        wrong: True for a method that is in the grid to show that it fails.
        margin: Standard errors of simulation by which the band is widened; 0 in the published table.
    """

    cell: Cell
    method: str
    kind: str
    value: float
    low: float | None
    high: float | None
    replicates: int
    wrong: bool = False
    margin: float = 0.0

    @property
    def passed(self) -> bool | None:
        """None where no band is promised."""
        if self.low is None or self.high is None:
            return None
        slack = self.margin * float(np.sqrt(0.05 * 0.95 / self.replicates))
        return self.low - slack <= self.value <= self.high + slack


def cells(small: bool = False) -> Iterator[Cell]:
    """Every cell of the grid, or a few."""
    if small:
        for distribution in DISTRIBUTIONS:
            for k, run_sd in ((1, 0.0), (2, 0.2), (5, 0.2)):
                yield Cell(50, 0.5, run_sd, k, distribution)
        yield Cell(20, 0.5, 0.0, 1, "normal")
        return
    for n in N:
        for distribution in DISTRIBUTIONS:
            for icc in ICC:
                for run_sd in RUN_SD:
                    for k in SEEDS:
                        yield Cell(n, icc, run_sd, k, distribution)


def run_grid(
    *,
    small: bool,
    replicates: int,
    n_resamples: int,
    seed: int,
    progress: Callable[[Cell], None] | None = None,
) -> tuple[list[Rate], float]:
    """Rates of every cell, and the largest disagreement of the batched methods with the package."""
    rates: list[Rate] = []
    worst = 0.0
    margin = 3.0 if small else 0.0
    for index, cell in enumerate(cells(small)):
        if progress:
            progress(cell)
        rng = np.random.default_rng([seed, index])
        if cell.k == 1:
            found, gap = _one_seed(cell, replicates, n_resamples, rng)
        else:
            found, gap = _several_seeds(cell, replicates, max(n_resamples // 5, 500), rng)
        rates += [dataclasses.replace(r, margin=margin) for r in found]
        worst = max(worst, gap)
    return rates, worst


def coverage_band(cell: Cell) -> tuple[float | None, float | None]:
    """Accepted coverage of a 95 % interval."""
    if cell.distribution in ("lognormal", "skewed"):
        return (0.92, 1.0) if cell.n >= 50 else (None, None)
    return 0.94, 0.96


def _one_seed(
    cell: Cell, replicates: int, n_resamples: int, rng: np.random.Generator
) -> tuple[list[Rate], float]:
    a, b, run_a, run_b, atoms = simulate(cell, replicates, rng)
    d = a[:, 0] - b[:, 0]
    shift = (run_a - run_b)[:, 0]
    rates: list[Rate] = []
    gap = 0.0

    def add(
        method: str, kind: str, value: float, band: tuple[float | None, float | None], wrong: bool = False
    ) -> None:
        rates.append(Rate(cell, method, kind, float(value), *band, replicates, wrong))

    if cell.run_sd == 0:
        # the claim of one seed is about these two checkpoints: a run effect moves truth and interval together, so the
        # cells with run effects would repeat these numbers
        p = sign_flip_p(d, n_resamples)
        low, high = bootstrap_t_ends(d, n_resamples)
        gap = agrees_with_package(a[:4], b[:4], p[:4], low[:4], high[:4], n_resamples)
        symmetric = cell.distribution != "skewed"
        add("sign-flip", "false positive", (p <= 0.05).mean(), (0.04, 0.06) if symmetric else (None, None))
        add("bootstrap-t", "coverage", ((low <= 0) & (high >= 0)).mean(), coverage_band(cell))
        mean, se = d.mean(1), d.std(1, ddof=1) / np.sqrt(cell.n)
        half = stats.t.ppf(0.975, cell.n - 1) * se
        add("t interval (for comparison)", "coverage", (np.abs(mean) <= half).mean(), (None, None))
        t = atom_level_t(cell, d, atoms, rng)
        wrong = 2 * stats.t.sf(np.abs(t), int(atoms.sum()) - 1)
        add("atoms as units", "false positive", (wrong <= 0.05).mean(), (0.04, 0.06), True)
    else:
        seen = d + shift[:, None]
        t = seen.mean(1) / (seen.std(1, ddof=1) / np.sqrt(cell.n))
        critical = stats.t.ppf(0.975, cell.n - 1)
        # false positives about the architecture: the arms are the same, only the runs differ
        add(
            "one seed read as architecture",
            "false positive",
            (np.abs(t) > critical).mean(),
            (0.04, 0.06),
            True,
        )
    return rates, gap


def _several_seeds(
    cell: Cell, replicates: int, n_resamples: int, rng: np.random.Generator
) -> tuple[list[Rate], float]:
    covered = plain = ignored = 0
    gap = 0.0
    for start in range(0, replicates, DRAW):
        count = min(DRAW, replicates - start)
        a, b, run_a, run_b, _ = simulate(cell, count, rng)
        a, b = a + run_a[..., None], b + run_b[..., None]
        mean, variance, df, item = two_way(a, b)
        p = two_way_p(mean, variance, df)
        low, high = two_way_ends(a, b, n_resamples)
        covered += int(((low <= 0) & (high >= 0)).sum())
        plain += int((p <= 0.05).sum())
        ignored += int((np.abs(mean) > stats.t.ppf(0.975, cell.n - 1) * np.sqrt(item)).sum())
        if start == 0:
            gap = agrees_with_package(a[:2], b[:2], p[:2], low[:2], high[:2], n_resamples)
    rates = [
        Rate(cell, "two-way interval", "coverage", covered / replicates, *coverage_band(cell), replicates),
        Rate(
            cell, "two-way t", "false positive", plain / replicates, *_false_positive_band(cell), replicates
        ),
    ]
    if cell.run_sd > 0:
        rates.append(
            Rate(
                cell,
                "runs ignored",
                "false positive",
                ignored / replicates,
                0.04,
                0.06,
                replicates,
                wrong=True,
            )
        )
    return rates, gap


def _false_positive_band(cell: Cell) -> tuple[float | None, float | None]:
    if cell.distribution == "skewed":
        return None, None
    return 0.0, 0.06
