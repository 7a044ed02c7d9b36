"""Every metric of one pair of arms, tested in families: the primary four jointly, the rest exploratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.descriptors import Metric
from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.clusters import FEWEST_CLUSTERS
from crysmm_attn_plugin.stats.equivalence import tost
from crysmm_attn_plugin.stats.multiplicity import benjamini_hochberg, holm, max_t_step_down
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.panel import AGGREGATIONS, SCOPES, Cell, Panel, known_metrics
from crysmm_attn_plugin.stats.results import MetricResult, PairedResult
from crysmm_attn_plugin.stats.verdict import outcome


@dataclass(frozen=True)
class Resampling:
    """How numbers are resampled and judged."""

    n_resamples: int = 10_000
    seed: int = 0
    alpha: float = 0.05


@dataclass
class _Row:
    arm: str
    cell: Cell
    paired: PairedResult
    differences: np.ndarray
    members: np.ndarray
    p_adjusted: float | None = None
    adjustment: str = ""


def metric_results(
    panel: Panel,
    arms: Sequence[str],
    baseline: str,
    resampling: Resampling,
    *,
    sesoi_percent: dict[str, float] | None = None,
) -> dict[str, tuple[MetricResult, ...]]:
    """Results of every arm against the baseline.

    The four primary metrics of all arms form one family for each direction, scope and aggregation; the family of
    the panel's first direction, with special tokens, metric first, carries the verdict, the others are sensitivity
    analyses adjusted within themselves. All other metrics are one exploratory family (Benjamini-Hochberg).

    Returns:
        Arm -> results, primary first.
    """
    rows: list[_Row] = []
    for arm in arms:
        for direction in panel.directions:
            for scope in SCOPES:
                for aggregation in AGGREGATIONS:
                    rows += _family_rows(panel, arm, baseline, direction, scope, aggregation, resampling)
    _adjust(rows, resampling)
    declared = sesoi_percent or {}
    results: dict[str, list[MetricResult]] = {arm: [] for arm in arms}
    for row in rows:
        results[row.arm].append(_result(panel, row, baseline, resampling, declared))
    order = {name: i for i, name in enumerate(BY_NAME)}
    return {
        arm: tuple(sorted(found, key=lambda m: (m.family != "primary", order.get(m.metric, len(order)))))
        for arm, found in results.items()
    }


def _family_rows(
    panel: Panel,
    arm: str,
    baseline: str,
    direction: str,
    scope: str,
    aggregation: str,
    resampling: Resampling,
) -> list[_Row]:
    cells = [Cell(m, direction, scope, aggregation) for m in known_metrics(panel)]
    cells = [c for c in cells if panel.get(arm, c) is not None and panel.get(baseline, c) is not None]
    primary = [c for c in cells if c.metric in PRIMARY]
    if not primary:
        return []
    # one set of crystals for the whole primary family, so that its metrics can be flipped jointly
    together = np.ones(len(panel.ids), bool)
    for cell in primary:
        together &= _finite(panel, arm, baseline, cell)
    rows = []
    for cell in cells:
        members = together if cell in primary else _finite(panel, arm, baseline, cell)
        if members.sum() < SMALLEST_N:
            continue
        a, b = panel.values[arm, cell][:, members], panel.values[baseline, cell][:, members]
        paired = compare_paired(
            a, b, n_resamples=resampling.n_resamples, seed=resampling.seed, alpha=resampling.alpha
        )
        rows.append(_Row(arm, cell, paired, a.mean(0) - b.mean(0), members))
    return rows


def _finite(panel: Panel, arm: str, baseline: str, cell: Cell) -> np.ndarray:
    a, b = panel.values[arm, cell], panel.values[baseline, cell]
    return np.isfinite(a).all(0) & np.isfinite(b).all(0)


def _adjust(rows: list[_Row], resampling: Resampling) -> None:
    families: dict[tuple[str, str, str], list[_Row]] = {}
    exploratory = []
    for row in rows:
        if row.cell.metric in PRIMARY:
            families.setdefault((row.cell.direction, row.cell.scope, row.cell.aggregation), []).append(row)
        else:
            exploratory.append(row)
    for family in families.values():
        single = all(max(r.paired.n_seeds_a, r.paired.n_seeds_b) == 1 for r in family)
        # flips are joint only over the same crystals, not over as many
        same = all(np.array_equal(r.members, family[0].members) for r in family)
        if single and same:
            matrix = np.column_stack([r.differences for r in family])
            adjusted = max_t_step_down(matrix, n_resamples=resampling.n_resamples, seed=resampling.seed)
            name = "step-down max-T"
        else:
            adjusted, name = holm([r.paired.p_value for r in family]), "Holm"
        for row, p in zip(family, adjusted):
            row.p_adjusted, row.adjustment = float(p), name
    if exploratory:
        for row, p in zip(exploratory, benjamini_hochberg([r.paired.p_value for r in exploratory])):
            row.p_adjusted, row.adjustment = float(p), "Benjamini-Hochberg"


def _result(
    panel: Panel, row: _Row, baseline: str, resampling: Resampling, declared: dict[str, float]
) -> MetricResult:
    cell, paired = row.cell, row.paired
    a, b = panel.values[row.arm, cell][:, row.members], panel.values[baseline, cell][:, row.members]
    spec = BY_NAME.get(cell.metric) or Metric(cell.metric, {"en": cell.metric})
    percent = declared.get(cell.metric, spec.sesoi_percent)
    sesoi = abs(paired.mean_b) * percent / 100 if paired.mean_b else None
    p_tost = None
    if sesoi:
        p_tost = tost(a, b, -sesoi, sesoi)
    equivalent = p_tost is not None and p_tost < resampling.alpha
    estimate = paired.mean_difference
    headline = (
        spec.family == "primary"
        and cell.scope == "with_special"
        and cell.aggregation == "metric_then_heads"
        and cell.direction == panel.directions[0]
    )
    cluster, n_clusters = None, 0
    if headline:
        cluster, n_clusters = _by_composition(panel, row, a, b, resampling)
    return MetricResult(
        metric=cell.metric,
        direction=cell.direction,
        scope=cell.scope,
        aggregation=cell.aggregation,
        family=spec.family,
        expected_sign=spec.expected_sign,
        paired=paired,
        p_adjusted=row.p_adjusted,
        adjustment=row.adjustment,
        sesoi=sesoi,
        sesoi_percent=percent,
        p_tost=p_tost,
        equivalent=equivalent,
        beyond_sesoi=bool(sesoi is not None and abs(estimate) >= sesoi),
        outcome=outcome(
            estimate=estimate,
            expected_sign=spec.expected_sign,
            p_adjusted=row.p_adjusted,
            sesoi=sesoi,
            equivalent=equivalent,
            alpha=resampling.alpha,
        ),
        uniform_mean=uniform_mean(panel, row.arm, cell),
        reinitialised_mean_a=_mean(panel.reinitialised.get((row.arm, cell))),
        reinitialised_mean_b=_mean(panel.reinitialised.get((baseline, cell))),
        p_cluster=cluster.p_value if cluster else None,
        ci_cluster_low=cluster.ci_low if cluster else None,
        ci_cluster_high=cluster.ci_high if cluster else None,
        n_clusters=n_clusters if cluster else None,
    )


def _by_composition(
    panel: Panel, row: _Row, a: np.ndarray, b: np.ndarray, resampling: Resampling
) -> tuple[PairedResult | None, int]:
    """The same comparison with crystals of one reduced formula as one cluster, and how many clusters there are."""
    labels = panel.crystals["formula"].to_numpy(str)[row.members]
    groups = len(np.unique(labels))
    if groups < FEWEST_CLUSTERS:
        return None, groups
    found = compare_paired(
        a,
        b,
        clusters=labels,
        n_resamples=resampling.n_resamples,
        seed=resampling.seed,
        alpha=resampling.alpha,
    )
    return found, groups


def uniform_mean(panel: Panel, arm: str, cell: Cell) -> float | None:
    """The metric under uniform attention over the same crystals' keys, or None where it has no closed form."""
    keys = panel.keys.get((arm, cell.direction, cell.scope))
    if keys is None:
        return None
    n = keys[np.isfinite(keys) & (keys > 0)]
    if not len(n):
        return None
    uniform = {
        "entropy": np.log(n),
        "max_weight": 1 / n,
        "effective_tokens_hill": n,
        "effective_tokens_hill2": n,
        "normalized_entropy": np.where(n > 1, 1.0, 0.0),
        "gini": np.zeros_like(n),
        "effective_tokens_01": np.where(n < 10, n, 0.0),
        "between_atom_tv": np.zeros_like(n),
    }.get(cell.metric)
    return None if uniform is None else float(np.mean(uniform))


def _mean(values: np.ndarray | None) -> float | None:
    if values is None:
        return None
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
