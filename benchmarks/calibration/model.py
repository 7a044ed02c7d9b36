"""Simulated metric values with a known truth: atoms in crystals, crystals crossed with training runs, two arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: SD over crystals of the true change between arms; run SDs are on the same scale.
ITEM_SD = 0.5
#: Grid on which ``tied`` values are rounded.
TIE = 0.25
DISTRIBUTIONS = ("normal", "lognormal", "skewed", "tied", "unbalanced")


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    Attributes:
        n: Crystals.
        icc: Share of the atom-level variance of the change that lies between crystals.
        run_sd: SD between training runs of one arm, in its mean.
        k: Seeds per arm.
        distribution: ``normal``; ``lognormal`` (arms exchangeable, each heavy-tailed: symmetric changes);
            ``skewed`` (the change itself lognormal about mean 0); ``tied`` (rounded values);
            ``unbalanced`` (1 to 80 atoms a crystal, median 8; all others have 8).
    """

    n: int
    icc: float
    run_sd: float
    k: int
    distribution: str


def atom_counts(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """(n,) atoms of each crystal."""
    if cell.distribution != "unbalanced":
        return np.full(cell.n, 8)
    return np.clip(np.round(8 * np.exp(0.9 * rng.standard_normal(cell.n))), 1, 80).astype(int)


def item_effects(cell: Cell, replicates: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(replicates, n) effects of both arms on each crystal; their difference has mean 0 and SD ``ITEM_SD``."""
    shape = (replicates, cell.n)
    if cell.distribution == "skewed":
        return ITEM_SD * _lognormal(shape, rng), np.zeros(shape)
    draw = _lognormal if cell.distribution == "lognormal" else _normal
    scale = ITEM_SD / np.sqrt(2)
    return scale * draw(shape, rng), scale * draw(shape, rng)


def atom_sd(cell: Cell) -> float:
    """SD of one atom's noise in one arm, from the ICC of the change."""
    return float(ITEM_SD * np.sqrt((1 - cell.icc) / cell.icc / 2))


def simulate(
    cell: Cell, replicates: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values of both arms without run effects, the run effects, and the atom counts.

    Returns:
        a, b (replicates, k, n) crystal means over atoms with fresh atom noise in every run; run effects of both arms
        (replicates, k); atoms (n,). Add the run effects to the values for what an experiment sees.
    """
    atoms = atom_counts(cell, rng)
    first, second = item_effects(cell, replicates, rng)
    noise = atom_sd(cell) / np.sqrt(atoms)
    shape = (replicates, cell.k, cell.n)
    a = first[:, None, :] + noise * rng.standard_normal(shape)
    b = second[:, None, :] + noise * rng.standard_normal(shape)
    if cell.distribution == "tied":
        a, b = np.round(a / TIE) * TIE, np.round(b / TIE) * TIE
    runs = cell.run_sd * rng.standard_normal((2, replicates, cell.k))
    return a, b, runs[0], runs[1], atoms


def atom_level_t(
    cell: Cell, differences: np.ndarray, atoms: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """t of the deliberately wrong test that takes every atom as a unit.

    The atoms of a crystal scatter about its mean with a chi-squared sum of squares, so they need not be drawn.

    Args:
        differences: (replicates, n) changes of the crystals.
        atoms: (n,) atoms of each.
    """
    total = int(atoms.sum())
    grand = (differences * atoms).sum(1) / total
    between = (atoms * (differences - grand[:, None]) ** 2).sum(1)
    inside = 2 * atom_sd(cell) ** 2 * rng.chisquare(max(total - cell.n, 1), len(differences))
    return grand / np.sqrt((between + inside) / (total - 1) / total)


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(shape)


def _lognormal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """exp(z), centred and scaled to mean 0 and SD 1."""
    return (np.exp(rng.standard_normal(shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
