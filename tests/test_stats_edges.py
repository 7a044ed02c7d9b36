"""Corners of the statistics that whole comparisons seldom reach, each against the sum written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store_kit import entropies, from_entropy, write_run

from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.contrast import Contrast
from crysmm_attn_plugin.stats.metric_results import Match
from crysmm_attn_plugin.stats.panel import build_panel
from crysmm_attn_plugin.stats.specification import _by_run, _Curve


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("r", [1.0, 0.4])
def test_resamples_of_unequal_groups_are_the_ratios_written_out(r: float, grouped: bool) -> None:
    """Every resample's mean and its linearised standard error, summed group by group."""
    rng = np.random.default_rng(0)
    members = np.repeat(np.arange(12), rng.integers(1, 6, 12) if grouped else 1)
    a, b = rng.standard_normal((2, 1, len(members))) + np.array([3.0, 5.0])[:, None, None]
    contrast = Contrast(a, b, members=members if grouped else None)
    drawn = np.array([np.bincount(rng.integers(0, 12, 12), minlength=12) for _ in range(40)])
    contrast.take(drawn @ contrast.columns())
    found = contrast.spread(r).draws
    values = a[0] - r * b[0]
    values -= values.mean()
    sums, sizes = np.bincount(members, weights=values), np.bincount(members)
    means = (drawn @ sums) / (drawn @ sizes)
    errors = np.sqrt(
        np.array([w @ (sums - m * sizes) ** 2 for w, m in zip(drawn, means)]) * 12 / 11 / (drawn @ sizes) ** 2
    )
    assert found == pytest.approx(np.sort(means / errors))


def _lean(first: np.ndarray, second: np.ndarray, *, paired: bool) -> float:
    """p of the joint test by run for (k, specifications) means."""
    curve = _Curve((), np.ones(first.shape[1]), np.empty((0, 0)), first, second)
    k = len(first)
    match = Match("full", tuple(range(k)), tuple(range(k)), paired, "verdict")
    return _by_run(curve, match, Choices())[0]


def test_pairs_that_differ_by_one_amount_lean_as_far_as_they_can() -> None:
    base = np.arange(8.0).reshape(4, 2)
    assert _lean(base + 0.5, base, paired=True) == 2 / 2**4
    assert _lean(base, base, paired=True) == 1.0
    assert _lean(base[:1].repeat(4, 0), base[:1].repeat(4, 0), paired=False) == 1.0


def test_a_specification_counts_in_units_of_its_own_spread() -> None:
    """One that scatters a thousand times as much decides nothing by its size alone."""
    base = np.zeros((5, 2))
    shift = np.array([[1.0, -900.0], [1.1, 1000.0], [0.9, -1000.0], [1.2, 900.0], [1.0, 30.0]])
    assert _lean(base + shift, base, paired=True) == 2 / 2**5
    assert _lean(shift[:, 1:], base[:, 1:], paired=True) > 0.5
    constant = np.column_stack([shift[:, 1], np.full(5, 2000.0)])
    assert _lean(constant, base, paired=True) == _lean(shift[:, 1:], base[:, 1:], paired=True)


@pytest.mark.parametrize(
    ("roles", "warned"),
    [(("best_val", "last"), True), (("best_val", "best_val+last"), False), (("best_val", "best_val"), False),
     (("best_val+last", "last", "best_val"), True), (("last",), False)],
)  # fmt: skip
def test_runs_stood_for_by_different_roles_are_told(
    tmp_path: Path, roles: tuple[str, ...], warned: bool
) -> None:
    e = from_entropy(entropies(12))
    runs = [write_run(tmp_path, "full", e, seed=i, role=role) for i, role in enumerate(roles)]
    told = [w.code for w in build_panel({"full": runs}).warnings]
    assert ("checkpoint_roles_differ" in told) == warned
