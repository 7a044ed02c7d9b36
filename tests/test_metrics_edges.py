"""Metrics where another way of computing takes over: large maps, negative weights, weights on a limit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from crysmm_attn_plugin.metrics import attention_metrics
from crysmm_attn_plugin.metrics.alignment import excess, lift
from crysmm_attn_plugin.metrics.legacy import legacy_rows
from crysmm_attn_plugin.metrics.padded import padded_metrics
from crysmm_attn_plugin.metrics.sites import inequivalent_sites
from crysmm_attn_plugin.records import Structure
from crysmm_attn_plugin.stats.heads import divergence, match_heads


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_too_large_for_one_call_of_the_logarithm_has_the_same_values(dtype: torch.dtype) -> None:
    logits = torch.randn(1, 2, 300, 256, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = (3 * logits).softmax(-1).to(dtype)
    found, wanted = attention_metrics(weights), padded_metrics(weights.double(), None, None)
    for name, value in found.items():
        np.testing.assert_allclose(
            value.numpy(), wanted[name].numpy(), rtol=1e-5 if dtype == torch.float32 else 1e-10
        )


@pytest.mark.parametrize("shape", [(3, 7), (40, 7), (3, 90), (40, 90)])
def test_weights_below_zero_are_ordered_by_their_value(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    weights = draw.random(shape) + 0.05
    weights[:, 2] = -0.04 * draw.random(shape[0])
    weights[:, 4] = -0.3 * draw.random(shape[0])
    weights /= weights.sum(-1, keepdims=True)
    found = attention_metrics(torch.from_numpy(weights[None, None].copy()))
    ordered, n = np.sort(weights, axis=-1), shape[1]
    gini = (2 * ordered @ np.arange(1, n + 1) / n - (n + 1) / n) * n / (n - 1)
    assert float(found["gini"]) == pytest.approx(gini.mean(), rel=1e-9)
    assert float(found["max_weight"]) == pytest.approx(ordered[:, -1].mean(), rel=1e-12)
    apart = np.abs(weights[:, None] - weights[None]).sum(-1).mean() / 2
    assert float(found["between_atom_tv"]) == pytest.approx(apart, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_that_rounding_puts_at_a_tenth_is_not_above_it(dtype: torch.dtype) -> None:
    weights = torch.full((1, 1, 4, 10), 0.1, dtype=dtype)
    weights[..., 1, :] = 0.30000000000000004 / 3
    for metrics in (attention_metrics(weights), padded_metrics(weights, None, None)):
        assert float(metrics["effective_tokens_01"]) == 0
    weights[..., 0, 0] += 0.001
    for metrics in (attention_metrics(weights), padded_metrics(weights, None, None)):
        assert float(metrics["effective_tokens_01"]) == 0.25


def test_each_metric_asked_for_alone_is_the_one_of_all() -> None:
    weights = torch.rand(
        2, 2, 5, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    ).softmax(-1)
    for compute in (attention_metrics, padded_metrics):
        whole = compute(weights, None, None)
        for name, value in whole.items():
            alone = compute(weights, None, None, wanted=[name])
            assert list(alone) == [name]
            torch.testing.assert_close(alone[name], value)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_alignment_takes_any_number_of_leading_axes(leading: tuple[int, ...]) -> None:
    mass = np.random.default_rng(0).random((*leading, 4))
    share = np.array([0.5, 0.25, 0, 1])
    assert np.allclose(excess(mass, share), (mass[..., :2] - share[:2]).sum(-1) / 2)
    assert np.allclose(lift(mass, share), mass[..., :2].sum(-1) / 0.75)
    for of in (excess, lift):
        found = of(mass, np.array([0.0, 1, 0, 1]))
        assert found.shape == leading
        assert np.isnan(found).all()


def test_one_head_has_no_divergence_for_any_row_and_heads_without_rows_no_match() -> None:
    found = divergence(np.ones((1, 3, 5, 4)))
    assert found.shape == (3, 5)
    assert np.isnan(found).all()
    empty = np.full((2, 3, 4), np.nan)
    pairs, distance = match_heads(np.ones((2, 3, 4)), empty)
    assert pairs == ()
    assert distance.shape == (2, 2)
    assert np.isnan(distance).all()


def test_the_original_count_of_tokens_leaves_out_a_weight_at_the_limit() -> None:
    rows = np.array(
        [[0.1, 0.9 - 1e-8, 0.0], [0.2, 0.8 - 1e-8, 0.0]]
    )  # their sums with the original's 1e-8 are one
    assert legacy_rows(rows)["effective_tokens"].tolist() == [1, 2]


FACES = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
#: Name -> edges in angstrom, element -> places; each element's atoms are one orbit.
CRYSTALS = {
    "rock salt": ((5.6, 5.6, 5.6), {"Na": FACES, "Cl": [(x + 0.5, y, z) for x, y, z in FACES]}),
    "perovskite": ((3.9, 3.9, 3.9), {"Sr": [(0, 0, 0)], "Ti": [(0.5, 0.5, 0.5)], "O": FACES[1:]}),
    "diamond": ((5.4, 5.4, 5.4), {"Si": [(x + d, y + d, z + d) for x, y, z in FACES for d in (0, 0.25)]}),
    "Pnma": ((5.4, 7.6, 5.3), {"Ca": [(0.04, 0.25, 0.99), (0.46, 0.75, 0.49), (0.96, 0.75, 0.01), (0.54, 0.25, 0.51)]}),
    "chain": ((3.0, 12.0, 12.0), {"Te": [(0.99, 0, 0)], "Cs": [(0.01, 0.02, 0.98), (0.01, 0.98, 0.02)]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CRYSTALS)
def test_symmetry_is_not_looked_for_where_atoms_of_each_element_have_the_same_surroundings(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "spglib", None)  # looked for, it would be None
    edges, places = CRYSTALS[name]
    atoms = [(element, place) for element, found in places.items() for place in found]
    lattice = tuple(map(tuple, np.diag(edges).tolist()))
    structure = Structure(lattice, tuple(p for _, p in atoms), tuple(e for e, _ in atoms))  # type: ignore[arg-type]
    inequivalent_sites.cache_clear()
    found = inequivalent_sites(structure)
    inequivalent_sites.cache_clear()
    assert found is not None
    assert len(set(found)) == len(places)
