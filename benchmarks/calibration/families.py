"""Several metrics at once: family-wise error, false "supported" verdicts, false equivalence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.methods import sign_flip_p
from crysmm_attn_plugin.stats import holm, max_t_step_down, tost
from crysmm_attn_plugin.stats.verdict import outcome, verdict

#: Correlation of the four metrics' changes over crystals.
CORRELATION = 0.8
METRICS = 4
#: Direction the hypothesis predicts for each metric.
SIGNS = (-1, 1, -1, 1)


@dataclass(frozen=True)
class FamilyRate:
    """How often a family of metrics went wrong. ``high`` is the most accepted, None where none is promised."""

    setting: str
    n: int
    method: str
    value: float
    high: float | None
    replicates: int
    wrong: bool = False
    margin: float = 0.0

    @property
    def passed(self) -> bool | None:
        """None where no band is promised; ``margin`` as in ``grid.Rate``."""
        if self.high is None:
            return None
        return self.value <= self.high + self.margin * float(np.sqrt(0.05 * 0.95 / self.replicates))


def changes(
    n: int, replicates: int, means: tuple[float, ...], rng: np.random.Generator, *, heavy: bool = False
) -> np.ndarray:
    """(replicates, n, 4) correlated changes with SD 1 and the given means."""
    root = np.linalg.cholesky(np.full((METRICS, METRICS), CORRELATION) + (1 - CORRELATION) * np.eye(METRICS))
    noise = rng.standard_normal((replicates, n, METRICS)) @ root.T
    if heavy:  # symmetric, kurtosis far above the normal's
        noise = np.sinh(noise) / np.sqrt((np.exp(2) - 1) / 2)
    return noise + np.asarray(means)


def run_families(*, small: bool, replicates: int, n_resamples: int, seed: int) -> list[FamilyRate]:
    """Family-wise error of raw, Holm and max-T p-values; false "supported"; false equivalence."""
    rates: list[FamilyRate] = []
    for index, n in enumerate((50,) if small else (20, 50, 300)):
        rng = np.random.default_rng([seed, 7, index])
        rates += _family_wise(n, replicates, n_resamples, rng)
        rates += _verdicts(n, replicates, n_resamples, rng)
        rates += _equivalence(n, replicates, rng)
    return [dataclasses.replace(r, margin=3.0 if small else 0.0) for r in rates]


def _family_wise(n: int, replicates: int, n_resamples: int, rng: np.random.Generator) -> list[FamilyRate]:
    rates = []
    settings = (
        ("no metric changes", (0.0,) * 4, False),
        ("no metric changes, heavy tails", (0.0,) * 4, True),
        ("two of four change", (2.0, 2.0, 0.0, 0.0), False),
    )
    for name, means, heavy in settings:
        draws = changes(n, replicates, means, rng, heavy=heavy)
        null = np.asarray(means) == 0
        p = np.column_stack([sign_flip_p(draws[:, :, m], n_resamples) for m in range(METRICS)])
        adjusted_holm = batched_holm(p)
        if not np.allclose(adjusted_holm[:3], [holm(row) for row in p[:3]], rtol=0, atol=1e-12):
            raise AssertionError("the batched Holm correction differs from the package's")
        adjusted_max = np.array(
            [max_t_step_down(d, n_resamples=n_resamples, seed=i) for i, d in enumerate(draws)]
        )
        for method, values, wrong in (
            ("unadjusted", p, True), ("Holm", adjusted_holm, False), ("step-down max-T", adjusted_max, False),
        ):  # fmt: skip
            rate = float((values[:, null] <= 0.05).any(1).mean())
            rates.append(FamilyRate(f"family-wise error: {name}", n, method, rate, 0.06, replicates, wrong))
    return rates


def batched_holm(p: np.ndarray) -> np.ndarray:
    """Holm's correction of every row at once."""
    order = np.argsort(p, axis=1)
    scaled = np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(scaled, axis=1), 1), axis=1)
    return adjusted


def _verdicts(n: int, replicates: int, n_resamples: int, rng: np.random.Generator) -> list[FamilyRate]:
    """Four metrics with a smallest effect of 0.2 SD, judged by the package's own rules."""
    signs = np.asarray(SIGNS, float)
    smallest = 0.2
    settings: tuple[tuple[str, np.ndarray, float | None], ...] = (
        ("no metric changes", 0 * signs, 0.05),
        ("three change as predicted, one does not", signs * (2, 2, 2, 0), 0.05),
        ("three change as predicted, one the other way", signs * (2, 2, 2, -2), 0.05),
        ("all change by half the smallest effect", signs * smallest / 2, None),
    )
    rates = []
    for name, means, band in settings:
        draws = changes(n, replicates, tuple(means), rng)
        supported = 0
        for i, d in enumerate(draws):
            p = max_t_step_down(d, n_resamples=n_resamples, seed=i)
            estimates = d.mean(0)
            words = [
                outcome(
                    estimate=float(estimates[m]), expected_sign=SIGNS[m], p_adjusted=float(p[m]), sesoi=smallest,
                    equivalent=False, alpha=0.05,
                )
                for m in range(METRICS)
            ]  # fmt: skip
            supported += verdict(words) == "supported"
        rates.append(
            FamilyRate(f'false "supported": {name}', n, "verdict", supported / replicates, band, replicates)
        )
    return rates


def _equivalence(n: int, replicates: int, rng: np.random.Generator) -> list[FamilyRate]:
    """True difference exactly at the smallest effect: calling it negligible is an error."""
    rates = []
    for k, run_sd in ((1, 0.0), (3, 0.2)):
        smallest = 0.5
        item = rng.standard_normal((replicates, 1, n)) / 2 + smallest
        a = (
            item
            + 0.3 * rng.standard_normal((replicates, k, n))
            + run_sd * rng.standard_normal((replicates, k, 1))
        )
        b = 0.3 * rng.standard_normal((replicates, k, n)) + run_sd * rng.standard_normal((replicates, k, 1))
        called = sum(tost(x, y, -smallest, smallest) < 0.05 for x, y in zip(a, b))
        name = f"false equivalence at the bound: {k} seed{'s' if k > 1 else ''}"
        rates.append(FamilyRate(name, n, "two one-sided tests", called / replicates, 0.06, replicates))
    return rates
