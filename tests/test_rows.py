"""Reduction of a batch: real cells alone count, whatever the batch, the device or what is unknown of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crysmm_attn_plugin.capture.accumulator import Accumulator, RowGroup
from crysmm_attn_plugin.capture.batch_words import SCOPES, BatchWords
from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.padded_rows import reduce_padded
from crysmm_attn_plugin.capture.rows import Block, reduce_call
from crysmm_attn_plugin.metrics import attention_metrics
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, TokenLabels, Window
from crysmm_attn_plugin.text import read_text

runs = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = ("The", "Na", "octahedral", "Cl", "is", "bonded", "2.82", ",", "cubic", "crystal", "to", "and", ".")
DIRECTIONS = ("atom_to_text", "text_to_atom")


def labels(n_words: int, seed: int) -> TokenLabels:
    words = [WORDS[(seed + 5 * i) % len(WORDS)] for i in range(n_words)]
    special = (True, *[False] * n_words, True)
    return TokenLabels(("[CLS]", *words, "[SEP]"), (-1, *range(n_words), -1), special, " ".join(words))


def identity(sizes: list[tuple[int, int]]) -> BatchIdentity:
    elements = tuple(
        tuple(("Na", "Cl", "Fe")[(i + j) % 3] for j in range(m)) for i, (m, _) in enumerate(sizes)
    )
    return BatchIdentity(
        tuple(f"c{i}" for i in range(len(sizes))),
        elements,
        tuple(labels(n, i) for i, (_, n) in enumerate(sizes)),
    )


def call_of(
    batch: BatchIdentity, direction: str, seed: int = 0, *, masks: bool = True, heads: int = 2
) -> AttentionCall:
    """Random weights, padded with rubbish behind the masks."""
    atoms = [len(e) for e in batch.elements]  # type: ignore[arg-type]
    tokens = [len(t.tokens) for t in batch.tokens or ()]
    rows, keys = (atoms, tokens) if direction == "atom_to_text" else (tokens, atoms)
    generator = torch.Generator().manual_seed(seed)
    query_mask, key_mask = (torch.arange(max(n))[None] < torch.tensor(n)[:, None] for n in (rows, keys))
    scores = 2 * torch.randn(len(atoms), heads, max(rows), max(keys), generator=generator)
    weights = scores.masked_fill(~key_mask[:, None, None], -math.inf).softmax(-1)
    return AttentionCall(
        "fusion",
        0,
        direction,
        weights,
        query_mask if masks else None,
        key_mask if masks else None,  # type: ignore[arg-type]
    )


def of(block: Block, name: str) -> np.ndarray:
    """(B, scopes, heads) values of one metric."""
    return np.asarray(block.values)[..., block.names.index(name)]


sizes = st.lists(st.tuples(st.integers(1, 11), st.integers(1, 25)), min_size=1, max_size=4)


@runs
@given(sizes, st.sampled_from(DIRECTIONS), st.integers(0, 10**6))
def test_padded_tensors_and_real_cells_give_the_same_numbers(
    sizes: list[tuple[int, int]], direction: str, seed: int
) -> None:
    batch = identity(sizes)
    call = call_of(batch, direction, seed)
    real = reduce_call(call, batch).block
    padded = reduce_padded(call, BatchWords(batch), SCOPES, wanted=frozenset(), head_mean=True)
    assert set(padded.names) == set(real.names)
    np.testing.assert_array_equal(padded.n_queries, real.n_queries)
    np.testing.assert_array_equal(padded.n_keys, real.n_keys)
    for name in real.names:
        other = padded.values[..., padded.names.index(name)].numpy()
        if name == "effective_tokens_01":  # a weight within rounding of a tenth may fall either way
            assert np.nanmean(np.abs(of(real, name) - other)) < 0.05
        else:
            np.testing.assert_allclose(of(real, name), other, rtol=1e-4, atol=1e-5, err_msg=name)


@runs
@given(sizes, st.sampled_from(DIRECTIONS), st.integers(0, 10**6))
def test_a_crystals_rows_are_the_same_bits_in_every_batch(
    sizes: list[tuple[int, int]], direction: str, seed: int
) -> None:
    batch = identity(sizes)
    call = call_of(batch, direction, seed)
    together = reduce_call(call, batch).block
    for i, (m, n) in enumerate(sizes):
        rows, keys = (m, n + 2) if direction == "atom_to_text" else (n + 2, m)
        alone = BatchIdentity(
            batch.ids[i : i + 1], batch.elements[i : i + 1], (batch.tokens or ())[i : i + 1]
        )
        mine = dataclasses.replace(
            call, weights=call.weights[i : i + 1, :, :rows, :keys].clone(), query_mask=None, key_mask=None
        )
        single = reduce_call(mine, alone).block
        for name in together.names:
            np.testing.assert_allclose(
                of(together, name)[i], of(single, name)[0], rtol=2e-6, atol=2e-7, err_msg=name
            )


@runs
@given(sizes, st.sampled_from(DIRECTIONS), st.integers(0, 10**6))
def test_each_scope_is_the_metrics_of_its_tokens_alone(
    sizes: list[tuple[int, int]], direction: str, seed: int
) -> None:
    batch = identity(sizes)
    call = call_of(batch, direction, seed)
    block = reduce_call(call, batch).block
    for i, (m, n) in enumerate(sizes):
        tokens = (batch.tokens or ())[i]
        categories = read_text(tokens, batch.elements[i]).categories
        assert categories is not None
        for s, (special, no_stop) in enumerate(SCOPES):
            keep = [
                j
                for j in range(n + 2)
                if (special or not tokens.special[j])
                and not (no_stop and categories[j] in ("function_word", "punctuation"))
            ]
            w = call.weights[i : i + 1, :, :, :].double()
            w = (
                w[:, :, :m, : n + 2][..., keep]
                if direction == "atom_to_text"
                else w[:, :, : n + 2, :m][:, :, keep]
            )
            if not keep:
                assert np.isnan(block.values[i, s]).all()
                continue
            w = w / w.sum(-1, keepdim=True)
            expected = attention_metrics(torch.cat([w, w.mean(1, keepdim=True)], 1))
            for name, values in expected.items():
                if name != "effective_tokens_01":
                    np.testing.assert_allclose(
                        of(block, name)[i, s], values[0].numpy(), rtol=1e-5, atol=1e-5, err_msg=name
                    )


def test_categories_share_out_the_attention_of_every_scope() -> None:
    batch = identity([(5, 20), (3, 13)])
    block = reduce_call(call_of(batch, "atom_to_text"), batch).block
    masses = [of(block, n) for n in block.names if n.startswith("mass_")]
    np.testing.assert_allclose(np.sum(masses, 0), 1, atol=1e-5)
    assert (of(block, "special_mass")[:, 0] > 0).all()
    assert (of(block, "special_mass")[:, 1:] == 0).all()
    assert (of(block, "mass_function_word")[:, 2] == 0).all()


# -- what is unknown -----------------------------------------------------------------------------------------


def changed(batch: BatchIdentity, **values: Any) -> BatchIdentity:
    return dataclasses.replace(batch, **values)


def test_unknown_tokens_leave_one_scope_and_no_masses() -> None:
    batch = identity([(4, 9), (2, 6)])
    call = call_of(batch, "atom_to_text")
    block = reduce_call(call, changed(batch, tokens=None)).block
    assert block.scopes == SCOPES[:1]
    assert not any("mass" in n for n in block.names)
    known = reduce_call(call, batch).block
    np.testing.assert_allclose(of(block, "entropy")[:, 0], of(known, "entropy")[:, 0], rtol=1e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_one_crystal_with_unknown_tokens_lacks_the_scopes_that_need_them(direction: str) -> None:
    batch = identity([(4, 9), (2, 6), (3, 7)])
    call = call_of(batch, direction)
    tokens = batch.tokens or ()
    block = reduce_call(call, changed(batch, tokens=(tokens[0], None, tokens[2]))).block
    known = reduce_call(call, batch).block
    assert block.known.tolist() == [[True] * 3, [True, False, False], [True] * 3]
    assert np.isnan(of(block, "entropy")[1, 1:]).all()
    for name in ("entropy", "gini", "between_atom_tv"):
        np.testing.assert_allclose(of(block, name)[1, 0], of(known, name)[1, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(of(block, name)[0], of(known, name)[0])
    kept = Accumulator(MapKeeper("none", 1))
    kept.add(changed(batch, tokens=(tokens[0], None, tokens[2])), [block], None, [])
    assert len(kept.attention()["head"]) == (3 + 1 + 3) * len(block.heads)


def test_unknown_elements_leave_the_element_masses_undefined_and_all_else_as_it_was() -> None:
    batch = identity([(4, 9), (2, 6)])
    call = call_of(batch, "atom_to_text")
    block = reduce_call(call, changed(batch, elements=(None, batch.elements[1]))).block
    known = reduce_call(call, batch).block
    assert np.isnan(of(block, "mass_own_element")[0]).all()
    np.testing.assert_allclose(of(block, "mass_own_element")[1], of(known, "mass_own_element")[1])
    np.testing.assert_allclose(of(block, "entropy"), of(known, "entropy"))


def test_a_map_that_nobody_can_name_gets_the_plain_metrics_of_all_its_cells() -> None:
    batch = identity([(4, 9), (2, 6)])
    call = dataclasses.replace(call_of(batch, "atom_to_text"), direction="")
    block = reduce_call(call, batch).block
    expected = attention_metrics(call.weights, call.query_mask, call.key_mask)
    assert block.scopes == SCOPES[:1]
    for name, values in expected.items():
        np.testing.assert_allclose(of(block, name)[:, 0, :2], values.numpy(), rtol=1e-5, atol=1e-6)


def test_tokens_that_are_not_as_many_as_the_mask_says_are_refused_with_both_counts() -> None:
    batch = identity([(4, 9)])
    call = call_of(batch, "atom_to_text")
    assert call.key_mask is not None
    short = dataclasses.replace(call, key_mask=call.key_mask & (torch.arange(11) < 10))
    with pytest.raises(ValueError, match="c0 has 11 known tokens and 10 real positions"):
        reduce_call(short, batch)
    padded = reduce_padded(
        dataclasses.replace(short, query_mask=call.query_mask), BatchWords(batch), SCOPES,
        wanted=frozenset(), head_mean=False,
    )  # fmt: skip
    assert padded.values.isnan().all()


def test_the_share_on_padding_is_that_of_the_worst_real_row() -> None:
    batch = identity([(4, 9), (2, 6)])
    call = call_of(batch, "atom_to_text")
    assert call.key_mask is not None
    assert reduce_call(call, batch).padding == 0
    weights = call.weights.clone()
    weights[1, 0, 1, -1] = 0.25  # real row, padded key
    weights[1, 0, 3, -1] = 0.75  # padded row
    assert reduce_call(dataclasses.replace(call, weights=weights), batch).padding == pytest.approx(0.25)


def test_what_is_not_wanted_is_not_there() -> None:
    batch = identity([(4, 9), (2, 6)])
    for direction in DIRECTIONS:
        call = call_of(batch, direction)
        every = reduce_call(call, batch).block
        some = reduce_call(call, batch, wanted=frozenset(("gini", "mass_number"))).block
        assert set(some.names) == {"gini", "mass_number"} & set(every.names)
        for name in some.names:
            np.testing.assert_allclose(of(some, name), of(every, name), atol=1e-6)


# -- plugins' metrics ----------------------------------------------------------------------------------------


def test_a_plugins_faulty_metric_is_told_and_the_others_stay() -> None:
    batch = identity([(4, 9), (2, 6)])
    told: dict[str, str] = {}

    def asked(weights: torch.Tensor, **_: Any) -> list[Mapping[str, Any]]:
        good = weights.amax((2, 3))
        return [{"good": good, "shape": good[0], "gini": good, "kind": 3}, {"good": good}]

    block = reduce_call(
        call_of(batch, "atom_to_text"), batch, plugin_metrics=asked, on_fault=told.setdefault
    ).block
    assert set(told) == {"shape", "gini", "kind", "good"}  # two plugins want one name: the first has it
    assert "shape" not in block.names
    assert block.names.count("good") == block.names.count("gini") == 1
    np.testing.assert_allclose(
        of(block, "good")[0, 0, :2], call_of(batch, "atom_to_text").weights[0, :, :4].amax((1, 2)), rtol=1e-5
    )


# -- groups of rows ------------------------------------------------------------------------------------------

WINDOW = Window("w", "x3", "test")


def test_rows_are_handed_over_in_groups_that_together_are_all_rows() -> None:
    handed: list[RowGroup] = []
    whole = Accumulator(MapKeeper("none", 1))
    streamed = Accumulator(MapKeeper("none", 1), WINDOW, handed.append, group=4)
    for b in range(5):
        batch = identity([(3, 8), (2, 5)])
        batch = changed(batch, ids=(f"a{b}", f"b{b}"))
        for direction in DIRECTIONS:
            block = reduce_call(call_of(batch, direction, b), batch).block
            blocks = [block]
            for gathered in (whole, streamed):
                gathered.add(batch, blocks, torch.tensor([1.0, 2.0]), [0.5])
    streamed.flush()
    assert [len(g.samples["id"]) for g in handed] == [4] * 5
    ids = [c for g in handed for c in g.samples["id"]]
    assert ids == whole.samples(WINDOW)["id"]
    found = [
        (g.samples["id"][c], float(v))
        for g in handed
        for c, v in zip(g.attention["crystal"], g.attention["entropy"])
    ]
    expected = zip(whole.attention()["crystal"].to_pylist(), whole.attention()["entropy"].tolist())
    assert sorted(found) == sorted(expected)
    assert streamed.n_crystals == whole.n_crystals == 20
    assert streamed.worst_padding == whole.worst_padding == 0.5
    assert streamed.variation() == pytest.approx(whole.variation())


def test_a_small_ceiling_hands_rows_over_early() -> None:
    handed: list[RowGroup] = []
    gathered = Accumulator(MapKeeper("none", 1), WINDOW, handed.append, memory_mb=1, group=10**9)
    batch = identity([(3, 8)] * 20)
    block = reduce_call(call_of(batch, "atom_to_text"), batch).block
    for _ in range(40):
        gathered.add(batch, [block], None, [])
    held = sum(len(g.samples["id"]) for g in handed)
    assert len(handed) > 1
    assert 800 - held < 400


# -- accelerators --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_on_cuda_the_numbers_are_the_same_and_nothing_waits_for_the_device(direction: str) -> None:
    batch = identity([(5, 20), (3, 13), (9, 7)])
    here = call_of(batch, direction)
    there = dataclasses.replace(
        here,
        **{n: getattr(here, n).cuda() for n in ("weights", "query_mask", "key_mask")},
    )
    gathered = Accumulator(MapKeeper("none", 1))
    reduce_call(there, batch)  # the first call may set libraries up
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = reduce_call(there, batch)
        gathered.add(batch, found.blocks, torch.ones(3, device="cuda"), [found.padding])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = reduce_call(here, batch).block
    assert found.block.values.is_cuda
    for name in expected.names:
        got = found.block.values[..., found.block.names.index(name)].cpu().numpy()
        np.testing.assert_allclose(got, of(expected, name), rtol=1e-4, atol=1e-5, err_msg=name)
    assert len(gathered.attention()["head"]) == 3 * 3 * 3
    assert gathered.samples(WINDOW)["prediction"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("device", ["processor", "padded"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_crystal_without_a_word_has_no_numbers_and_takes_none_from_the_others(
    direction: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == "padded":
        monkeypatch.setattr("crysmm_attn_plugin.capture.rows.reduce_real", reduce_padded)
    whole = identity([(2, 5), (3, 4)])
    assert whole.tokens is not None
    silent = dataclasses.replace(whole, tokens=(whole.tokens[0], TokenLabels((), (), (), "")))
    call = call_of(whole, direction)
    alone = reduce_call(call, whole).block
    mask = call.key_mask if direction == "atom_to_text" else call.query_mask
    assert mask is not None
    mask[1] = False
    weights = call.weights.clone()
    if direction == "atom_to_text":
        weights[1] = 0
    found = reduce_call(dataclasses.replace(call, weights=weights), silent).block
    values, expected = np.asarray(found.values), np.asarray(alone.values)
    assert np.isnan(values[1]).all()
    np.testing.assert_allclose(values[0], expected[0], rtol=1e-6, equal_nan=True)
