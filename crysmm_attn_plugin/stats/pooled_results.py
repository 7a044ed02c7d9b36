"""Comparisons of several data sets or properties, pooled metric by metric; what does not belong together is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats.multiplicity import holm
from crysmm_attn_plugin.stats.pooling import PooledResult, pool, standard_error
from crysmm_attn_plugin.stats.results import Claim, ComparisonResult, PairComparison

#: Name under which the relative change of the mean absolute error is pooled, beside the metrics.
ERROR = "error"
_Change = tuple[float, float, float, float]


@dataclass(frozen=True)
class DataSet:
    """One data set or property that was pooled.

    Attributes:
        crystals: Paired crystals.
        runs_arm, runs_baseline: Training runs.
        claim: What its own runs let it say.
    """

    label: str
    crystals: int
    runs_arm: int
    runs_baseline: int
    claim: Claim


@dataclass(frozen=True)
class PooledComparison:
    """One pair of arms over several data sets.

    Attributes:
        direction: Of the attention.
        pooled: One result a primary metric that every data set defines, then ``error`` where every one has it.
        left_out: What was not pooled -> data sets that do not define it.
    """

    arm: str
    baseline: str
    direction: str
    data_sets: tuple[DataSet, ...]
    pooled: tuple[PooledResult, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def pool_results(
    results: Sequence[ComparisonResult],
    *,
    arm: str | None = None,
    baseline: str | None = None,
    labels: Sequence[str] | None = None,
) -> PooledComparison:
    """Percent changes of the primary metrics, and of the error, pooled over data sets or properties.

    The data sets are taken as independent of each other; level and confidence are those of the results.

    Args:
        results: One comparison a data set or property.
        arm, baseline: Pair of arms; the only one that all results have when None.
        labels: Names of the data sets; property, or data set and property, when None.

    Raises:
        StatisticsError: When fewer than two are given, a result lacks the pair, two are of the same data set or share a
            checkpoint, their arms, levels or directions differ, or nothing is defined in all of them.
    """
    if len(results) < 2:
        raise StatisticsError("pooling needs the results of two data sets or more.")
    names = _labels(results, labels)
    pairs = _pairs(results, names, arm, baseline)
    _refuse_shared(results, names)
    if len({r.alpha for r in results}) > 1:
        shown = ", ".join(f"{n}: {r.alpha:g}" for n, r in zip(names, results))
        raise StatisticsError(
            f"the results were made at different levels ({shown}); make them again with one --alpha."
        )
    direction = _direction(results, names)
    wanted: dict[str, None] = {}
    for pair in pairs:
        wanted |= dict.fromkeys(m.metric for m in pair.primary(direction))
    found: list[PooledResult] = []
    left_out: dict[str, tuple[str, ...]] = {}
    for what in (*wanted, ERROR):
        changes = [
            _error_change(p, r.alpha) if what == ERROR else _change(p, direction, what)
            for p, r in zip(pairs, results)
        ]
        known = [c for c in changes if c is not None]
        if len(known) == len(changes):
            found.append(
                pool(
                    [c[0] for c in known], [c[1] for c in known], labels=names, what=what, alpha=results[0].alpha,
                    intervals=[(c[2], c[3]) for c in known],
                )
            )  # fmt: skip
        else:
            left_out[what] = tuple(n for n, c in zip(names, changes) if c is None)
    if not found:
        raise StatisticsError(
            "no primary metric has a percent change with an interval in every result; look at each report for the reason."
        )
    sets = tuple(DataSet(name, p.n, *_runs(p, r), p.claim) for name, p, r in zip(names, pairs, results))
    return PooledComparison(
        pairs[0].arm, pairs[0].baseline, direction, sets, tuple(_adjusted(found)), left_out
    )  # fmt: skip


def _adjusted(found: Sequence[PooledResult]) -> list[PooledResult]:
    """With p adjusted among the primary metrics; the error is a question of its own."""
    family = [f for f in found if f.what != ERROR]
    values = holm([f.p_value for f in family]) if family else np.empty(0)
    adjusted = {f.what: float(p) for f, p in zip(family, values)}
    return [dataclasses.replace(f, p_adjusted=adjusted.get(f.what, f.p_value)) for f in found]


def _labels(results: Sequence[ComparisonResult], given: Sequence[str] | None) -> list[str]:
    if given is not None:
        names = [" ".join(str(x).split()) for x in given]
        if len(names) != len(results) or len(set(names)) < len(names) or not all(names):
            raise StatisticsError(
                f"{len(names)} labels for {len(results)} data sets; give one each, no two the same."
            )
        return names
    names = [r.property or r.dataset for r in results]
    if len(set(names)) < len(names):
        names = [" ".join(x for x in (r.dataset, r.property) if x) for r in results]
    twice = sorted({n or "no name" for n in names if names.count(n) > 1})
    if twice:
        raise StatisticsError(
            f"two results are of the same data set and property ({', '.join(twice)}), which would count twice; give different "
            "ones, or name them with --labels if they are."
        )
    return [name or str(i + 1) for i, name in enumerate(names)]


def _pairs(
    results: Sequence[ComparisonResult], names: Sequence[str], arm: str | None, baseline: str | None
) -> list[PairComparison]:
    fits = [
        {
            (p.arm, p.baseline): p
            for p in result.pairs
            if arm in (None, p.arm) and baseline in (None, p.baseline) and p.claim != "none"
        }
        for result in results
    ]
    for name, mine in zip(names, fits):
        if not mine:
            raise StatisticsError(
                f"the result of {name} holds no tested pair of arms that fits; name arm and baseline of one, or leave it out."
            )
    common = [key for key in fits[0] if all(key in mine for mine in fits)]
    if len(common) != 1:
        each = "; ".join(
            f"{n}: {', '.join(f'{a} against {b}' for a, b in mine)}" for n, mine in zip(names, fits)
        )
        words = "share no pair of arms" if not common else f"share {len(common)} pairs of arms"
        raise StatisticsError(
            f"the results {words} ({each}); name one arm and baseline that all of them have."
        )
    return [mine[common[0]] for mine in fits]


def _refuse_shared(results: Sequence[ComparisonResult], names: Sequence[str]) -> None:
    held = [{c for a in r.arms for c in a.checkpoints if c} for r in results]
    for (i, first), (j, second) in combinations(enumerate(held), 2):
        if first & second:
            raise StatisticsError(
                f"{names[i]} and {names[j]} hold a checkpoint in common, so they are no two independent data sets; "
                "give each set of trainings once."
            )


def _direction(results: Sequence[ComparisonResult], names: Sequence[str]) -> str:
    leads = [r.directions[0] if r.directions else "atom_to_text" for r in results]
    if len(set(leads)) > 1:
        shown = ", ".join(f"{n}: {d}" for n, d in zip(names, leads))
        raise StatisticsError(
            f"the results are about different directions of attention ({shown}); pool those of one."
        )
    return leads[0]


def _runs(pair: PairComparison, result: ComparisonResult) -> tuple[int, int]:
    direction = result.directions[0] if result.directions else "atom_to_text"
    primary = pair.primary(direction)
    if primary:
        return primary[0].paired.n_seeds_a, primary[0].paired.n_seeds_b
    seeds = {a.name: a.n_seeds for a in result.arms}
    return seeds.get(pair.arm, 0), seeds.get(pair.baseline, 0)


def _change(pair: PairComparison, direction: str, metric: str) -> _Change | None:
    """Percent change of a metric, its standard error (from the interval's width), and the interval."""
    m = next((x for x in pair.primary(direction) if x.metric == metric), None)
    if m is None:
        return None
    return _with_error(
        m.paired.percent_change, m.paired.percent_ci_low, m.paired.percent_ci_high, 1 - m.paired.confidence
    )


def _error_change(pair: PairComparison, alpha: float) -> _Change | None:
    e = pair.performance
    if e.relative_gain is None or e.relative_gain_ci_low is None or e.relative_gain_ci_high is None:
        return None
    return _with_error(-e.relative_gain, -e.relative_gain_ci_high, -e.relative_gain_ci_low, alpha)


def _with_error(estimate: float, low: float, high: float, alpha: float) -> _Change | None:
    if not math.isfinite(estimate + low + high) or high <= low:
        return None
    return estimate, standard_error(low, high, alpha), low, high
