"""The same question asked in every defensible way: one row per specification."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.stats.checks import SMALLEST_N, paired_differences
from crysmm_attn_plugin.stats.crossed import crossed_variance
from crysmm_attn_plugin.stats.effects import g_z
from crysmm_attn_plugin.stats.panel import AGGREGATIONS, SCOPES, Cell, Panel
from crysmm_attn_plugin.stats.results import Specification


def specification_curve(panel: Panel, arm: str, baseline: str, *, alpha: float) -> tuple[Specification, ...]:
    """Every primary metric x direction x scope x aggregation x subset, with a t interval (two-way with seeds).

    Per-head readings are order statistics (the sharpest and the most diffuse head of each crystal), because head h
    of one arm does not correspond to head h of the other.
    """
    rows = []
    subsets = list(_subsets(panel))
    for metric in (m for m in PRIMARY if m in panel.metrics):
        for direction in panel.directions:
            for scope in SCOPES:
                for aggregation in AGGREGATIONS:
                    cell = Cell(metric, direction, scope, aggregation)
                    a, b = panel.get(arm, cell), panel.get(baseline, cell)
                    if a is None or b is None:
                        continue
                    for name, members in subsets:
                        rows.append(_row(cell, aggregation, name, a[:, members], b[:, members], alpha))
            key = (metric, direction)
            if (arm, *key) in panel.heads and (baseline, *key) in panel.heads:
                rows += _head_rows(panel, arm, baseline, metric, direction, alpha)
    return tuple(r for r in rows if r is not None)


def _head_rows(
    panel: Panel, arm: str, baseline: str, metric: str, direction: str, alpha: float
) -> list[Specification | None]:
    a, b = panel.heads[arm, metric, direction], panel.heads[baseline, metric, direction]
    if a.shape[-1] < 2 or b.shape[-1] < 2:
        return []
    sharp, diffuse = (np.max, np.min) if BY_NAME[metric].expected_sign > 0 else (np.min, np.max)
    everyone = np.ones(a.shape[1], bool)
    cell = Cell(metric, direction)
    return [
        _row(cell, name, "all crystals", pick(a, axis=-1)[:, everyone], pick(b, axis=-1)[:, everyone], alpha)
        for name, pick in (("sharpest_head", sharp), ("most_diffuse_head", diffuse))
    ]


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


def _row(
    cell: Cell, aggregation: str, subset: str, a: np.ndarray, b: np.ndarray, alpha: float
) -> Specification | None:
    finite = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    a, b = a[:, finite], b[:, finite]
    n = a.shape[1]
    if n < SMALLEST_N:
        return None
    differences = paired_differences(a.mean(0), b.mean(0))
    mean = float(differences.mean())
    variance, df, _ = crossed_variance(a, b)
    half = float(stats.t.ppf(1 - alpha / 2, df) * np.sqrt(variance)) if variance > 0 else 0.0
    p = float(2 * stats.t.sf(abs(mean) / np.sqrt(variance), df)) if variance > 0 else float(mean == 0)
    base = float(b.mean())
    return Specification(
        cell.metric, cell.direction, cell.scope, aggregation, subset, n, mean, mean - half, mean + half,
        100 * mean / abs(base) if base else float("nan"), g_z(differences), p,
    )  # fmt: skip
