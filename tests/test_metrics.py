"""Attention to numbers: padding, order, copies and precision of the weights change nothing they should not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crysmm_attn_plugin.metrics import attention_metrics, category_mass, padding_mass, without_padding
from crysmm_attn_plugin.metrics.legacy import LEGACY_METRICS, LegacyTally, legacy_rows
from crysmm_attn_plugin.metrics.padded import padded_metrics

runs = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = {
    "entropy", "normalized_entropy", "effective_tokens_hill", "effective_tokens_hill2", "effective_tokens_01",
    "max_weight", "gini", "between_atom_tv",
}  # fmt: skip


def softmaxed(
    batch: int,
    heads: int,
    queries: int,
    keys: int,
    seed: int,
    *,
    sharp: float = 2.0,
    dtype: torch.dtype = torch.float64,
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(batch, heads, queries, keys, generator=generator, dtype=dtype)).softmax(-1)


shapes = st.tuples(
    st.integers(1, 3), st.integers(1, 3), st.integers(2, 13), st.integers(2, 24), st.integers(0, 10**6)
)


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], *, tolerance: float = 1e-9) -> None:
    assert set(a) == set(b)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, equal_nan=True, msg=name)


def by_loops(weights: np.ndarray) -> dict[str, float]:
    """One head of one crystal, (queries, keys), in double precision, a row and a weight at a time."""
    entropies, hill2, above, largest, ginis = [], [], [], [], []
    for row in weights.tolist():
        total = math.fsum(row)
        w = [x / total for x in row]
        n = len(w)
        entropies.append(-math.fsum(x * math.log(x) for x in w if x > 0))
        hill2.append(1 / math.fsum(x * x for x in w))
        above.append(sum(x > 0.1 for x in w))
        largest.append(max(w))
        raw = 2 * math.fsum((i + 1) * x for i, x in enumerate(sorted(w))) / n - (n + 1) / n
        ginis.append(raw * n / (n - 1))
    pairs = [
        0.5 * math.fsum(abs(x - y) for x, y in zip(weights[i].tolist(), weights[j].tolist()))
        for i in range(len(weights))
        for j in range(len(weights))
    ]
    count = len(weights)
    return {
        "entropy": math.fsum(entropies) / count,
        "normalized_entropy": math.fsum(entropies) / count / math.log(weights.shape[1]),
        "effective_tokens_hill": math.fsum(map(math.exp, entropies)) / count,
        "effective_tokens_hill2": math.fsum(hill2) / count,
        "effective_tokens_01": sum(above) / count,
        "max_weight": math.fsum(largest) / count,
        "gini": math.fsum(ginis) / count,
        "between_atom_tv": math.fsum(pairs) / len(pairs),
    }


# -- against a slow reference --------------------------------------------------------------------------------


@runs
@given(shapes, st.sampled_from([0.1, 2.0, 30.0]))
def test_every_metric_is_its_formula_in_loops_in_double_precision(
    shape: tuple[int, ...], sharp: float
) -> None:
    *size, seed = shape
    weights = softmaxed(*size, seed, sharp=sharp, dtype=torch.float32)  # type: ignore[misc]
    found = attention_metrics(weights)
    assert set(found) == NAMES
    for b in range(size[0]):
        for h in range(size[1]):
            for name, value in by_loops(weights[b, h].double().numpy()).items():
                if name == "effective_tokens_01":  # a weight within rounding of 0.1 may fall either way
                    near = ((weights[b, h] - 0.1).abs() < 1e-6).sum() / size[2]
                    assert abs(float(found[name][b, h]) - value) <= float(near) + 1e-5
                else:
                    assert float(found[name][b, h]) == pytest.approx(value, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize("n", [1, 2, 9, 10, 20, 256])
def test_uniform_attention_has_its_closed_form(n: int) -> None:
    found = {
        k: float(v)
        for k, v in attention_metrics(torch.full((1, 1, 2, n), 1 / n, dtype=torch.float64)).items()
    }
    assert found["entropy"] == pytest.approx(math.log(n))
    assert found["effective_tokens_hill"] == pytest.approx(n)
    assert found["effective_tokens_hill2"] == pytest.approx(n)
    assert found["effective_tokens_01"] == (n if n < 10 else 0)
    assert found["max_weight"] == pytest.approx(1 / n)
    assert found["between_atom_tv"] == 0
    if n > 1:
        assert found["gini"] == pytest.approx(0, abs=1e-12)
        assert found["normalized_entropy"] == pytest.approx(1)


@pytest.mark.parametrize("n", [2, 20])
def test_attention_on_one_token_has_its_closed_form(n: int) -> None:
    weights = torch.zeros(1, 1, 3, n)
    weights[..., 1] = 1
    found = {k: float(v) for k, v in attention_metrics(weights).items()}
    assert (found["entropy"], found["normalized_entropy"]) == (0, 0)
    assert (
        found["effective_tokens_hill"],
        found["effective_tokens_hill2"],
        found["effective_tokens_01"],
    ) == (1, 1, 1)
    assert (found["max_weight"], found["between_atom_tv"]) == (1, 0)
    assert found["gini"] == pytest.approx(1, abs=1e-6)


def test_atoms_that_look_at_different_tokens_differ_in_all_pairs_but_those_with_themselves() -> None:
    assert float(attention_metrics(torch.eye(4)[None, None])["between_atom_tv"]) == pytest.approx(12 / 16)


@runs
@given(shapes, st.sampled_from([0.1, 2.0, 30.0]), st.floats(0, 0.9))
def test_padded_tensors_give_the_same_values(shape: tuple[int, ...], sharp: float, hidden: float) -> None:
    """The path of an accelerator, run here: padding anywhere, zeros among the weights."""
    *size, seed = shape
    weights = softmaxed(*size, seed, sharp=sharp)  # type: ignore[misc]
    draw = torch.Generator().manual_seed(seed)
    masks = [torch.rand(size[0], n, generator=draw) >= hidden for n in (size[2], size[3])]
    weights = torch.where(torch.rand(weights.shape, generator=draw) < hidden / 2, 0, weights)
    assert_same(attention_metrics(weights, *masks), padded_metrics(weights, *masks), tolerance=1e-9)


@pytest.mark.parametrize("queries", [3, 20])
def test_only_what_is_wanted_is_computed_and_the_same(queries: int) -> None:
    weights = softmaxed(2, 2, queries, 30, 3, dtype=torch.float32)
    every = attention_metrics(weights)
    for wanted in ({"gini"}, {"entropy", "max_weight"}, {"between_atom_tv"}, NAMES - {"between_atom_tv"}):
        for compute in (attention_metrics, padded_metrics):
            found = compute(weights, wanted=wanted)
            assert set(found) == wanted
            for name in wanted:
                torch.testing.assert_close(found[name], every[name], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_values_are_the_same_and_nothing_waits_for_the_device() -> None:
    weights = softmaxed(4, 2, 12, 40, 8, dtype=torch.float32)
    key_mask = torch.arange(40)[None] < torch.tensor([[40], [7], [1], [25]])
    there = weights.cuda(), key_mask.cuda()
    attention_metrics(there[0], None, there[1])  # the first call may set libraries up
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = attention_metrics(there[0], None, there[1])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(v.is_cuda for v in found.values())
    assert_same(
        {k: v.cpu() for k, v in found.items()}, attention_metrics(weights, None, key_mask), tolerance=1e-5
    )


# -- padding, order, copies ----------------------------------------------------------------------------------


@runs
@given(shapes, st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.0, 1.0, math.nan, math.inf]))
def test_padding_changes_nothing_whatever_it_holds(
    shape: tuple[int, ...], more_rows: int, more_keys: int, rubbish: float
) -> None:
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    batch, heads, queries, keys = size
    padded = torch.full((batch, heads, queries + more_rows, keys + more_keys), rubbish, dtype=torch.float64)
    padded[:, :, :queries, :keys] = weights
    query_mask = torch.arange(queries + more_rows).expand(batch, -1) < queries
    key_mask = torch.arange(keys + more_keys).expand(batch, -1) < keys
    assert_same(attention_metrics(weights), attention_metrics(padded, query_mask, key_mask))


@runs
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=4), st.integers(0, 10**6)
)
def test_a_padded_batch_is_its_crystals_one_by_one(sizes: list[tuple[int, int]], seed: int) -> None:
    rows, keys = (max(s[i] for s in sizes) for i in (0, 1))
    weights = softmaxed(len(sizes), 2, rows, keys, seed)
    query_mask = torch.arange(rows)[None] < torch.tensor([[s[0]] for s in sizes])
    key_mask = torch.arange(keys)[None] < torch.tensor([[s[1]] for s in sizes])
    together = attention_metrics(weights, query_mask, key_mask)
    for i, (m, n) in enumerate(sizes):
        alone = attention_metrics(weights[i : i + 1, :, :m, :n])
        assert_same({k: v[i : i + 1] for k, v in together.items()}, alone)


@runs
@given(shapes, st.randoms(use_true_random=False))
def test_order_of_atoms_and_tokens_does_not_matter_and_heads_keep_their_own(
    shape: tuple[int, ...], random: object
) -> None:
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    orders = []
    for length in size[1:]:
        order = list(range(length))
        random.shuffle(order)  # type: ignore[attr-defined]
        orders.append(order)
    heads, rows, keys = orders
    found = attention_metrics(weights)
    assert_same(found, attention_metrics(weights[:, :, rows][..., keys]))
    assert_same({k: v[:, heads] for k, v in found.items()}, attention_metrics(weights[:, heads]))


@runs
@given(shapes, st.integers(2, 4))
def test_a_supercell_is_its_unit_cell(shape: tuple[int, ...], copies: int) -> None:
    """Every atom repeated: nothing changes."""
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    once, many = attention_metrics(weights), attention_metrics(weights.repeat(1, 1, copies, 1))
    assert_same(once, many)


@runs
@given(shapes, st.floats(0.2, 5))
def test_rows_are_renormalised(shape: tuple[int, ...], factor: float) -> None:
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    found = attention_metrics(weights)
    scaled = attention_metrics(weights * factor)
    # a weight at 0.1 exactly may move by rounding
    for name in NAMES - {"effective_tokens_01"}:
        torch.testing.assert_close(found[name], scaled[name], rtol=1e-9, atol=1e-9)


@runs
@given(shapes)
def test_bounds_and_relations_hold(shape: tuple[int, ...]) -> None:
    *size, seed = shape
    found = attention_metrics(softmaxed(*size, seed, sharp=5.0))  # type: ignore[misc]
    n, slack = size[3], 1e-9
    assert ((found["entropy"] >= -slack) & (found["entropy"] <= math.log(n) + slack)).all()
    assert ((found["gini"] >= -slack) & (found["gini"] <= 1 + slack)).all()
    assert ((found["between_atom_tv"] >= -slack) & (found["between_atom_tv"] <= 1 + slack)).all()
    assert ((found["max_weight"] >= 1 / n - slack) & (found["max_weight"] <= 1 + slack)).all()
    assert (found["effective_tokens_hill"] >= found["effective_tokens_hill2"] - slack).all()
    assert (
        (found["effective_tokens_hill2"] >= 1 - slack) & (found["effective_tokens_hill"] <= n + slack)
    ).all()
    assert (found["effective_tokens_01"] <= 9).all()


@runs
@given(shapes)
def test_averaging_heads_first_never_lowers_the_entropy(shape: tuple[int, ...]) -> None:
    """Jensen: the order of averaging matters, which is why both are reported."""
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    first = attention_metrics(weights.mean(1, keepdim=True))
    per_head = attention_metrics(weights)
    assert (first["entropy"][:, 0] >= per_head["entropy"].mean(1) - 1e-9).all()
    assert (first["max_weight"][:, 0] <= per_head["max_weight"].mean(1) + 1e-9).all()


# -- precision and what is not defined -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3), (torch.float32, 1e-5)]
)
def test_half_precision_is_computed_in_single(dtype: torch.dtype, tolerance: float) -> None:
    weights = softmaxed(2, 2, 5, 30, 1)
    found = attention_metrics(weights.to(dtype))
    exact = attention_metrics(weights.to(dtype).double())
    for name, values in found.items():
        assert values.dtype == torch.float32, name
        torch.testing.assert_close(values.double(), exact[name], rtol=1e-5, atol=1e-5, msg=name)
    torch.testing.assert_close(
        found["entropy"].double(), attention_metrics(weights)["entropy"], rtol=tolerance, atol=0
    )
    assert attention_metrics(weights)["entropy"].dtype == torch.float64


def test_what_is_not_defined_is_nan_and_nothing_else_is() -> None:
    def undefined(weights: torch.Tensor, *masks: torch.Tensor) -> set[str]:
        return {k for k, v in attention_metrics(weights, *masks).items() if v.isnan().all()}

    assert undefined(softmaxed(1, 1, 3, 4, 0)) == set()
    assert undefined(softmaxed(1, 1, 1, 4, 0)) == set()
    assert undefined(softmaxed(1, 1, 3, 1, 0)) == {"gini", "normalized_entropy"}
    none, some = torch.zeros(1, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)
    assert undefined(softmaxed(1, 1, 3, 3, 0), none, some) == NAMES
    assert undefined(softmaxed(1, 1, 3, 3, 0), some, none) == NAMES


def test_a_crystal_without_rows_leaves_its_neighbours_alone() -> None:
    weights = softmaxed(2, 2, 3, 5, 4)
    mask = torch.tensor([[True, True, True], [False, False, False]])
    found = attention_metrics(weights, mask)
    alone = attention_metrics(weights[:1])
    for name in NAMES:
        torch.testing.assert_close(found[name][0], alone[name][0])
        assert found[name][1].isnan().all()


def test_the_weights_are_left_as_they_were_and_no_gradient_is_kept() -> None:
    weights = softmaxed(1, 2, 3, 4, 5, dtype=torch.float32).requires_grad_()
    before = weights.detach().clone()
    found = attention_metrics(weights, None, torch.tensor([[True, True, False, True]]))
    assert torch.equal(weights.detach(), before)
    assert not any(v.requires_grad for v in found.values())


def test_shapes_that_do_not_fit_are_refused_with_both_values() -> None:
    with pytest.raises(ValueError, match=r"\(batch, heads, queries, keys\), got shape \(3, 4\)"):
        attention_metrics(torch.ones(3, 4))
    with pytest.raises(ValueError, match=r"key_mask must have shape \(1, 4\), got \(1, 3\)"):
        attention_metrics(torch.ones(1, 1, 2, 4), None, torch.ones(1, 3))


# -- masses --------------------------------------------------------------------------------------------------


@runs
@given(shapes)
def test_masses_of_categories_that_share_out_the_tokens_sum_to_one(shape: tuple[int, ...]) -> None:
    *size, seed = shape
    weights = softmaxed(*size, seed)  # type: ignore[misc]
    kinds = torch.arange(size[3]) % 3
    rows = torch.ones(size[0], size[2], dtype=torch.bool)
    masses = [category_mass(weights, rows, (kinds == k).expand(size[0], -1)) for k in range(3)]
    torch.testing.assert_close(sum(masses), torch.ones(size[0], size[1], dtype=torch.float64))
    # the same category written out for each atom
    each = (kinds == 1).expand(size[0], size[2], -1)
    torch.testing.assert_close(category_mass(weights, rows, each), masses[1])


def test_mass_on_padding_is_the_worst_real_row() -> None:
    weights = torch.tensor([[[[0.5, 0.3, 0.2], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]]]])
    rows, keys = torch.tensor([[True, True, False]]), torch.tensor([[True, True, False]])
    assert float(padding_mass(weights, rows, keys)) == pytest.approx(0.2)
    kept, _, _ = without_padding(weights, rows, keys)
    assert kept[0, 0, 0].tolist() == pytest.approx([0.625, 0.375, 0])


# -- the original script's numbers ---------------------------------------------------------------------------


def original(rows: np.ndarray) -> dict[str, float]:
    """The four published formulas, a row at a time in plain numpy."""
    entropies, largest, counts, ginis = [], [], [], []
    for row in rows:
        w = row / (row.sum() + 1e-8)
        p = (w + 1e-8) / (w + 1e-8).sum()
        entropies.append(-sum(x * np.log(x) for x in p))
        largest.append(w.max())
        counts.append(np.sum(w > 0.1))
        ordered, n = np.sort(w), len(w)
        ginis.append(2 * sum((i + 1) * x for i, x in enumerate(ordered)) / (n * ordered.sum()) - (n + 1) / n)
    return dict(zip(LEGACY_METRICS, (np.mean(x) for x in (entropies, largest, counts, ginis))))


@runs
@given(st.lists(shapes, min_size=1, max_size=3))
def test_the_legacy_tally_is_the_original_formulas_over_every_padded_row(
    batches: list[tuple[int, ...]],
) -> None:
    tally, rows, padding = LegacyTally(), [], 0
    for *size, seed in batches:
        weights = softmaxed(*size, seed, dtype=torch.float32)  # type: ignore[misc]
        weights[..., -1] = 0  # a padded token, as a masked softmax leaves it
        n_atoms = [1 + i % size[2] for i in range(size[0])]
        tally.add(weights, n_atoms)
        averaged = weights.mean(1).numpy().astype(float)
        rows += list(averaged.reshape(-1, size[3]).tolist())
        padding += size[0] * size[2] - sum(n_atoms)
    expected = [original(np.array([row])) for row in rows]
    for name, value in tally.means().items():
        assert value == pytest.approx(np.mean([e[name] for e in expected]), rel=2e-6, abs=2e-7), name
    assert (tally.rows, tally.padded_rows) == (len(rows), padding)


def test_the_legacy_numbers_depend_on_padding_and_the_metrics_do_not() -> None:
    weights = softmaxed(1, 2, 4, 6, 9, dtype=torch.float32)
    padded = torch.zeros(1, 2, 6, 9)
    padded[:, :, :, :6] = 1 / 6  # a padded atom attends too, uniformly here
    padded[:, :, :4, :6] = weights
    masks = torch.arange(6)[None] < 4, torch.arange(9)[None] < 6
    tallies = []
    for w in (weights, padded):
        tally = LegacyTally()
        tally.add(w, [4])
        tallies.append(tally.means())
    assert tallies[0]["gini"] != pytest.approx(tallies[1]["gini"], rel=0.05)
    assert_same(attention_metrics(weights), attention_metrics(padded, *masks), tolerance=1e-6)


def test_a_tally_without_batches_has_no_means() -> None:
    assert all(math.isnan(x) for x in LegacyTally().means().values())
    assert set(legacy_rows(np.ones((1, 3)))) == set(LEGACY_METRICS)
