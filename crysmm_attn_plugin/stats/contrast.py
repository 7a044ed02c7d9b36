"""The contrast mean(a) - r mean(b) for any r over the same crystals: r = 1 is the difference, its root in r the ratio.

The interval of a ratio is Fieller's set, all r at which the interval of mean(a) - r mean(b) holds 0. It comes from the same
engine as the difference, and holds 1 exactly when the difference's interval holds 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats.bootstrap import BOOTSTRAP_UP_TO, resampled_sums
from crysmm_attn_plugin.stats.checks import paired_differences
from crysmm_attn_plugin.stats.engine import RunPart, Spread, around, residual_variance

#: Steps of the search for an end of the ratio's interval.
_STEPS = 60


class Contrast:
    """Values of two arms, reduced to what the engine needs.

    Args:
        a, b: (k, N) finite values, seeds x crystals; k may differ unless seeds are paired.
        members: (N,) cluster index 0 .. G - 1 of each crystal; None where every crystal stands for itself.
        paired_seeds: Seed j of one arm belongs to seed j of the other.

    Raises:
        StatisticsError: On other numbers of crystals, or paired seeds of unequal numbers.
    """

    def __init__(
        self, a: np.ndarray, b: np.ndarray, *, members: np.ndarray | None = None, paired_seeds: bool = False
    ) -> None:
        if a.shape[1:] != b.shape[1:] or a.shape[1] < 2:
            raise StatisticsError(
                f"arms of {a.shape[1]} and {b.shape[1]} crystals; give the same two or more to both."
            )
        if paired_seeds and len(a) != len(b):
            raise StatisticsError(
                f"paired seeds need equal numbers of runs, got {len(a)} and {len(b)}; leave out the runs without a partner."
            )
        self.n = a.shape[1]
        self.first, self.second = a.mean(0), b.mean(0)
        self.differences = paired_differences(self.first, self.second)
        self.mean, self.mean_b = float(self.differences.mean()), float(self.second.mean())
        self.members = members
        self.sizes = None if members is None else np.bincount(members).astype(float)
        self._u, self._v = self._sums(self.differences), self._sums(self.second)
        self.units = len(self._u)
        self._scales = tuple(float(np.sqrt((x**2).mean())) or 1.0 for x in (self._u, self._v))
        self._moments: np.ndarray | None = None
        self._doubles: np.ndarray | None = None
        self.paired = paired_seeds and len(a) > 1
        self.runs = (a.mean(1), b.mean(1)) if min(len(a), len(b)) > 1 else None
        if self.runs is not None:
            self._residual = (
                (residual_variance(a), residual_variance(b), residual_variance(a - b))
                if self.paired
                else (residual_variance(a), residual_variance(b), 0.0)
            )

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of the deviations from the mean by unit."""
        centred = values - values.mean() if np.ptp(values) > 0 else np.zeros_like(values)
        return centred if self.members is None else np.bincount(self.members, weights=centred)

    def columns(self) -> np.ndarray:
        """(units, M) what is summed over every resample."""
        u, v = self._u / self._scales[0], self._v / self._scales[1]
        found = [u, v, u * u, u * v, v * v]
        if self.sizes is not None:
            n = self.sizes / (self.n / self.units)
            found += [n, u * n, v * n, n * n]
        return np.column_stack(found)

    def take(self, moments: np.ndarray) -> None:
        """Keep the resampled sums of ``columns``."""
        self._moments = moments

    def scores(self, r: float = 1.0) -> np.ndarray:
        """(units,) sums of the deviations of a - r b."""
        return self._u + (1 - r) * self._v

    def spread(self, r: float = 1.0, *, resampled: bool = True, alpha: float | None = None) -> Spread:
        """mean(a) - r mean(b) and what its interval is made of.

        Args:
            r: Factor of b.
            resampled: Use the resamples, where there are any.
            alpha: The only level whose half widths will be asked for; any when None.
        """
        e = self.scores(r)
        square = float((e**2).sum())
        g = self.units
        crystals = square / self.n**2 * g / (g - 1)
        skewness = float((e**3).mean() / (square / g) ** 1.5) if square > 0 else 0.0
        runs, overlap = self._between(r)
        draws = self._draws(r, crystals, alpha) if resampled and crystals > 0 else None
        estimate = self.mean + (1 - r) * self.mean_b
        return Spread(estimate, crystals, g, skewness, runs, overlap, draws)

    def baseline_spread(self) -> Spread:
        """mean(b) alone: whether it may be 0 decides whether a ratio to it means anything."""
        square = float((self._v**2).sum())
        g = self.units
        crystals = square / self.n**2 * g / (g - 1)
        skewness = float((self._v**3).mean() / (square / g) ** 1.5) if square > 0 else 0.0
        runs: tuple[RunPart, ...] = ()
        overlap = 0.0
        if self.runs is not None:
            b = self.runs[1]
            runs = (RunPart(float(b.var(ddof=1)) / len(b), len(b) - 1, len(b)),)
            overlap = self._residual[1] / len(b) / self.n
        return Spread(self.mean_b, crystals, g, skewness, runs, overlap)

    def _between(self, r: float) -> tuple[tuple[RunPart, ...], float]:
        if self.runs is None:
            return (), 0.0
        a, b = self.runs
        if self.paired:
            part = RunPart(float((a - r * b).var(ddof=1)) / len(a), len(a) - 1, len(a))
            first, second, difference = self._residual
            # Var(a - r b) from the three that r = 1 needs
            residual = (1 - r) * first + (r * r - r) * second + r * difference
            return (part,), max(residual, 0.0) / (self.n * len(a))
        parts = (
            RunPart(float(a.var(ddof=1)) / len(a), len(a) - 1, len(a)),
            RunPart(r * r * float(b.var(ddof=1)) / len(b), len(b) - 1, len(b)),
        )
        overlap = (self._residual[0] / len(a) + r * r * self._residual[1] / len(b)) / self.n
        return parts, overlap

    def _draws(self, r: float, crystals: float, alpha: float | None) -> np.ndarray | None:
        """Studentised resampled means of a - r b, sorted; for one ``alpha`` only so far as its quantiles need."""
        if self._moments is None:
            return None
        m = self._doubles if self._doubles is not None else self._moments.T.astype(float)
        su, sv = self._scales[0], (1 - r) * self._scales[1]
        total = su * m[0] + sv * m[1]
        squares = su * su * m[2] + 2 * su * sv * m[3] + sv * sv * m[4]
        if self.sizes is None:
            shift = total / self.n
            variance = (squares - self.n * shift**2) / self.n**2
        else:
            size = self.n / self.units
            drawn = m[5] * size
            shift = total / drawn
            cross = (su * m[6] + sv * m[7]) * size
            variance = (squares - 2 * shift * cross + shift**2 * m[8] * size**2) / drawn**2
        variance *= self.units / (self.units - 1)
        # resamples of one repeated value have no variance but for single precision's rounding
        good = variance > 1e-5 * crystals
        t: np.ndarray = shift[good] / np.sqrt(variance[good])
        if len(t) < 2:
            return None
        if alpha is None:
            t.sort()
        else:
            t.partition(sorted({at for share in (alpha / 2, 1 - alpha / 2) for at in around(t, share)}))
        return t

    def ratio(self, alpha: float) -> tuple[float, float]:
        """Ends of the 1 - alpha interval of mean(a) / mean(b); NaN where it is not bounded."""
        if self._moments is not None:
            self._doubles = self._moments.T.astype(float, order="C")
        try:
            return self._ratio(alpha)
        finally:
            self._doubles = None

    def _ratio(self, alpha: float) -> tuple[float, float]:
        sign = 1 if self.mean_b > 0 else -1
        estimate = 1 + self.mean / self.mean_b
        spread = self.spread(estimate, alpha=alpha)
        ends = []
        for way in (-1, 1):
            # below the ratio a - r b is positive (for a positive baseline) and its lower side decides
            side = way * sign

            def gap(r: float, way: int = way, side: int = side) -> float:
                found = self.spread(r, alpha=alpha)
                return found.half(alpha, side) + way * sign * found.estimate

            step = max(spread.half(alpha, side) / abs(self.mean_b), 1e-300)
            ends.append(_root(gap, estimate, way * step))
        return ends[0], ends[1]


def _root(gap: Callable[[float], float], start: float, step: float) -> float:
    """Where ``gap`` falls to 0 going from ``start`` (where it is positive or 0) in steps that grow, then by regula falsi."""
    inner, outer = start, start + step
    at_inner, at_outer = gap(inner), gap(outer)
    for _ in range(_STEPS):
        if at_outer <= 0:
            break
        inner, at_inner = outer, at_outer
        outer += step
        step *= 1.5
        at_outer = gap(outer)
    else:
        return float("nan")
    width = abs(outer - start)
    for _ in range(_STEPS):
        if abs(outer - inner) <= 1e-7 * width or at_inner == at_outer:
            break
        middle = inner + (outer - inner) * at_inner / (at_inner - at_outer)
        at_middle = gap(middle)
        if at_middle > 0:
            if abs(middle - inner) <= 1e-7 * width:
                return middle
            inner, at_inner, at_outer = middle, at_middle, at_outer / 2
        else:
            if abs(outer - middle) <= 1e-7 * width:
                return middle
            outer, at_outer, at_inner = middle, at_middle, at_inner / 2
    return outer


def resample(contrasts: Sequence[Contrast], *, n_resamples: int, seed: int) -> None:
    """Give every contrast over the same crystals its resampled sums, by one product for all of them."""
    groups: dict[int, list[Contrast]] = {}
    for contrast in contrasts:
        if contrast.units <= BOOTSTRAP_UP_TO:
            groups.setdefault(contrast.units, []).append(contrast)
    for members in groups.values():
        columns = [c.columns() for c in members]
        sums = resampled_sums(np.concatenate(columns, axis=1), n_resamples=n_resamples, seed=seed)
        ends = np.cumsum([c.shape[1] for c in columns])
        for contrast, part in zip(members, np.split(sums, ends[:-1], axis=1)):
            contrast.take(part)
