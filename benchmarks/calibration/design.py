"""Simulated studies with a known truth: crystals crossed with training runs, two arms, several metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: SD over crystals of the true change between arms; every other SD is on this scale.
CRYSTAL_SD = 0.5
#: Grid on which ``tied`` changes are rounded.
TIE = 0.25
SHAPES = ("normal", "heavy", "tied", "exponential", "lognormal")
SKEWED = ("exponential", "lognormal")


@dataclass(frozen=True)
class Design:
    """One kind of study.

    Attributes:
        n: Crystals.
        runs: Training runs of both arms.
        run_sd: SD of a training run's mean in both arms.
        noise: SD of one crystal's value between runs of one arm, beyond the run's mean.
        shape: Of the change over crystals: ``normal``; ``heavy`` (Student's t, 3 degrees); ``tied`` (rounded);
            ``exponential`` and ``lognormal`` (skewed to the right about mean 0).
        cluster: Crystals per composition, and ``icc`` their intraclass correlation.
        shared: SD of a seed's effect that both arms share; the seeds are then declared as paired.
    """

    n: int
    runs: tuple[int, int] = (1, 1)
    run_sd: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.3
    shape: str = "normal"
    cluster: int = 1
    icc: float = 0.0
    shared: float = 0.0

    @property
    def several(self) -> bool:
        """Several runs in both arms."""
        return min(self.runs) > 1

    @property
    def ratio(self) -> float:
        """Ratio of the run variances."""
        low, high = sorted(self.run_sd)
        return (high / low) ** 2 if low else float("nan")

    def members(self) -> np.ndarray | None:
        """(n,) index of each crystal's composition."""
        return None if self.cluster == 1 else np.arange(self.n) // self.cluster


def changes(design: Design, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """(replicates, n) true changes with mean 0 and SD ``CRYSTAL_SD``."""
    size = (replicates, design.n)
    drawn = _shape(design.shape, size, rng)
    if design.cluster > 1:
        shared = _shape(design.shape, (replicates, -(-design.n // design.cluster)), rng)
        shared = np.repeat(shared, design.cluster, axis=1)[:, : design.n]
        drawn = np.sqrt(design.icc) * shared + np.sqrt(1 - design.icc) * drawn
    if design.shape == "tied":
        return np.round(CRYSTAL_SD * drawn / TIE) * TIE
    return CRYSTAL_SD * drawn


def _shape(shape: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws with mean 0 and SD 1."""
    if shape in ("normal", "tied"):
        return rng.standard_normal(size)
    if shape == "heavy":
        return rng.standard_t(3, size) / np.sqrt(3)
    if shape == "exponential":
        return rng.exponential(1, size) - 1
    return (np.exp(rng.standard_normal(size)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def studies(
    design: Design, replicates: int, rng: np.random.Generator, *, level: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """Values of both arms, (replicates, k, n) each; the true mean change is 0.

    Args:
        design: Kind of study.
        replicates: Studies.
        rng: Source of randomness.
        level: Mean of the baseline.
    """
    base = level + 0.5 * rng.standard_normal((replicates, 1, design.n))
    treated = base + changes(design, replicates, rng)[:, None, :]
    seed = design.shared * rng.standard_normal((replicates, max(design.runs), 1))
    arms = []
    for values, k, sd in zip((treated, base), design.runs, design.run_sd):
        run = sd * rng.standard_normal((replicates, k, 1)) + seed[:, :k]
        arms.append(values + run + design.noise * rng.standard_normal((replicates, k, design.n)))
    return arms[0], arms[1]
