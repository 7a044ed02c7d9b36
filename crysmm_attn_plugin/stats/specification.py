"""The same question asked in every defensible way: one row per specification, and one joint test of them all.

The joint test follows Simonsohn, Simmons and Nelson (2020): the arms' labels are exchanged, crystal by crystal (signs) with
one run in an arm and run by run with several in both, the whole curve is computed again, and p is the share of exchanges
whose specifications agree at least as strongly in either direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.contrast import Contrast
from crysmm_attn_plugin.stats.effects import g_z
from crysmm_attn_plugin.stats.metric_results import Match
from crysmm_attn_plugin.stats.panel import AGGREGATIONS, SCOPES, Cell, Panel
from crysmm_attn_plugin.stats.results import Specification, SpecificationTest
from crysmm_attn_plugin.stats.runs import EVERY_WAY_UP_TO, run_permutation
from crysmm_attn_plugin.stats.signflip import EXACT_UP_TO, flipped_sums

#: Multiplications that the joint test may cost; with more crystals it makes fewer permutations, never under ``FEWEST``.
WORK = 2e11
FEWEST = 199


@dataclass(frozen=True)
class _Curve:
    """Specifications with what the joint test needs of each: seed-averaged values over all crystals, NaN outside."""

    rows: tuple[Specification, ...]
    signs: np.ndarray
    differences: np.ndarray
    runs_arm: np.ndarray
    runs_baseline: np.ndarray


def specification_curve(
    panel: Panel, match: Match, baseline: str, choices: Choices
) -> tuple[tuple[Specification, ...], SpecificationTest | None]:
    """Every primary metric x direction x scope x aggregation x subset, with its interval, and the joint test.

    Per-head readings are order statistics (the sharpest and the most diffuse head of each crystal), because head h
    of one arm does not correspond to head h of the other.
    """
    rows, signs, differences, arm_runs, base_runs = [], [], [], [], []
    for cell, name, subset, members, a, b in _readings(panel, match, baseline, choices):
        finite = np.isfinite(a).all(0) & np.isfinite(b).all(0) & members
        if finite.sum() < SMALLEST_N:
            continue
        first, second = a[:, finite], b[:, finite]
        contrast = Contrast(first, second, paired_seeds=match.paired)
        rows.append(_row(cell, name, subset, contrast, choices.alpha))
        signs.append(choices.expected_sign(cell.metric) or 1)
        whole = np.full(len(panel.ids), np.nan)
        whole[finite] = contrast.differences
        differences.append(whole)
        arm_runs.append(first.mean(1))
        base_runs.append(second.mean(1))
    if not rows:
        return (), None
    curve = _Curve(
        tuple(rows), np.array(signs, float), np.array(differences).T, np.array(arm_runs).T, np.array(base_runs).T
    )  # fmt: skip
    return curve.rows, joint_test(curve, panel, match, choices)


def _readings(
    panel: Panel, match: Match, baseline: str, choices: Choices
) -> Iterator[tuple[Cell, str, str, np.ndarray, np.ndarray, np.ndarray]]:
    """Cell, name of the aggregation, subset, its crystals, and both arms' (k, N) values."""
    subsets = list(_subsets(panel))
    first, second = list(match.runs_arm), list(match.runs_baseline)
    for metric in (m for m in choices.primary if m in panel.metrics):
        for direction in panel.directions:
            for scope in SCOPES:
                for aggregation in AGGREGATIONS:
                    cell = Cell(metric, direction, scope, aggregation)
                    a, b = panel.get(match.arm, cell), panel.get(baseline, cell)
                    if a is None or b is None:
                        continue
                    for subset, members in subsets:
                        yield cell, aggregation, subset, members, a[first], b[second]
            heads = [panel.heads.get((arm, metric, direction)) for arm in (match.arm, baseline)]
            if heads[0] is None or heads[1] is None or min(h.shape[-1] for h in heads if h is not None) < 2:
                continue
            rises = choices.expected_sign(metric) > 0 if metric in BY_NAME else True
            sharp, diffuse = (np.max, np.min) if rises else (np.min, np.max)
            for name, pick in (("sharpest_head", sharp), ("most_diffuse_head", diffuse)):
                subset, members = subsets[0]
                yield (
                    Cell(metric, direction), name, subset, members, pick(heads[0], axis=-1)[first],
                    pick(heads[1], axis=-1)[second],
                )  # fmt: skip


def _subsets(panel: Panel) -> Iterator[tuple[str, np.ndarray]]:
    n = len(panel.ids)
    yield "all crystals", np.ones(n, bool)
    for column, words in (
        ("n_tokens", ("shorter texts", "medium texts", "longer texts")),
        ("n_atoms", ("fewer atoms", "medium atoms", "more atoms")),
        ("target", ("low target", "medium target", "high target")),
    ):
        values = panel.crystals[column].to_numpy(float)
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            continue
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        thirds = (values <= low, (values > low) & (values <= high), values > high)
        for word, members in zip(words, thirds):
            if members.sum() >= SMALLEST_N:
                yield word, members


def _row(cell: Cell, aggregation: str, subset: str, contrast: Contrast, alpha: float) -> Specification:
    spread = contrast.spread(resampled=False)
    low, high = spread.interval(alpha)
    base = contrast.mean_b
    percent = 100 * spread.estimate / abs(base) if base else float("nan")
    return Specification(
        cell.metric, cell.direction, cell.scope, aggregation, subset, contrast.n, spread.estimate, low, high, percent,
        g_z(contrast.differences), spread.p_value(),
    )  # fmt: skip


def joint_test(curve: _Curve, panel: Panel, match: Match, choices: Choices) -> SpecificationTest:
    """p of the whole curve: does it lean one way more than exchanged labels would make it?

    The statistic is the absolute mean over specifications of the change, each in units of its own spread (under exchanged
    signs, or over runs) and turned so that the predicted direction is positive.
    """
    observed = np.array([r.mean_difference for r in curve.rows])
    if match.single:
        unit: Literal["crystals", "runs"] = "crystals"
        p, n_permutations, smallest = _by_crystal(curve, observed, panel, choices)
    else:
        unit = "runs"
        p, n_permutations, smallest = _by_run(curve, match, choices)
    turned = observed * curve.signs
    apart = np.array([r.ci_low > 0 or r.ci_high < 0 for r in curve.rows])
    percents = np.array([r.percent_change for r in curve.rows]) * curve.signs
    return SpecificationTest(
        n=len(curve.rows),
        same_sign=int((turned > 0).sum()),
        opposite_sign=int((turned < 0).sum()),
        significant_same=int((apart & (turned > 0)).sum()),
        significant_opposite=int((apart & (turned < 0)).sum()),
        median_percent=float(np.nanmedian(percents)) if np.isfinite(percents).any() else float("nan"),
        p_value=p,
        n_permutations=n_permutations,
        unit=unit,
        smallest_p=smallest,
    )


def _by_crystal(
    curve: _Curve, observed: np.ndarray, panel: Panel, choices: Choices
) -> tuple[float, int, float]:
    """p, number of flips and smallest p, under flipped signs of crystals, or of compositions where they repeat."""
    values = np.nan_to_num(curve.differences)
    counts = np.isfinite(curve.differences).sum(0)
    labels = panel.crystals["formula"].to_numpy(str)
    if choices.by_composition:
        _, members = np.unique(labels, return_inverse=True)
        sums = np.zeros((int(members.max()) + 1, values.shape[1]))
        np.add.at(sums, members, values)
        values = sums
    flips = int(min(choices.n_resamples, max(FEWEST, WORK / values.size)))
    blocks = list(flipped_sums(values, n_resamples=flips, seed=choices.seed))
    means = np.concatenate(blocks) / counts
    scale = np.sqrt((means**2).mean(0))
    live = scale > 0
    if not live.any():
        return 1.0, len(means), 1 / (len(means) + 1)
    lean = np.abs((means[:, live] / scale[live]) @ curve.signs[live])
    mine = abs(float((observed[live] / scale[live]) @ curve.signs[live]))
    reached = int((lean >= mine - 1e-9 * (1 + mine)).sum())
    if len(values) <= EXACT_UP_TO:
        return reached / len(means), len(means), 1 / len(means)
    return (reached + 1) / (len(means) + 1), len(means), 1 / (len(means) + 1)


def _by_run(curve: _Curve, match: Match, choices: Choices) -> tuple[float, int, float]:
    """p, number of ways and smallest p, with the runs shared out between the arms in other ways.

    A run's lean is the sum of its specifications' means, each turned to the predicted direction and in units of its spread
    over all runs; the curve leans as the runs' leans differ between the arms.
    """
    a, b = curve.runs_arm, curve.runs_baseline
    scale = (a - b).std(0) if match.paired else np.concatenate([a, b]).std(0)
    live = scale > 1e-12 * np.abs(np.concatenate([a, b])).max(0)
    weights = np.where(live, curve.signs / np.where(live, scale, 1), 0.0)
    if match.paired and not live.any():
        weights = curve.signs
    first, second = a @ weights, b @ weights
    k, total = len(a), len(a) + len(b)
    ways = 2**k if match.paired else comb(total, k)
    p, smallest = run_permutation(
        first, second, paired=match.paired, n_resamples=choices.n_resamples, seed=choices.seed
    )
    return p, min(ways, choices.n_resamples) if ways > EVERY_WAY_UP_TO else ways, smallest
