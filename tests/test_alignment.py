"""Alignment, blocks and heads: planted truth is found, none is found where none was planted, loops give the same."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.planted_alignment import study
from crysmm_attn_plugin.capture.batch_words import SCOPES, BatchWords
from crysmm_attn_plugin.capture.padded_rows import reduce_padded
from crysmm_attn_plugin.capture.rows import reduce_call
from crysmm_attn_plugin.metrics.alignment import alignment_of, auc_against_all
from crysmm_attn_plugin.metrics.blocks import block_share, nested_share
from crysmm_attn_plugin.metrics.sites import inequivalent_sites
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, Structure, TokenLabels
from crysmm_attn_plugin.stats.heads import (
    divergence,
    head_diversity,
    match_heads,
    pairwise_distances,
    redundancy,
    specialisation,
)
from crysmm_attn_plugin.text import token_categories
from crysmm_attn_plugin.text.mentions import own_mentions

runs = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def drawn(heads: int, queries: int, keys: int, seed: int, *, ties: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (heads, queries, keys)) if ties else rng.normal(size=(heads, queries, keys))
    weights = np.exp(scores.astype(float))
    return weights / weights.sum(-1, keepdims=True)


def mentions(queries: int, keys: int, n_elements: int, seed: int) -> np.ndarray:
    """(queries, keys) bool: some keys mention one or two elements, most none; every row is of an element."""
    rng = np.random.default_rng(seed)
    mentioned = rng.random((keys, n_elements)) < rng.choice([0.0, 0.2, 0.5])
    return mentioned.T[rng.integers(0, n_elements, queries)]


def by_loops(w: np.ndarray, own: np.ndarray) -> dict[str, float]:
    """One head, (queries, keys), a pair of keys at a time."""
    queries, keys = own.shape
    groups: dict[tuple[bool, ...], list[int]] = {}
    for q in range(queries):
        if any(own[q]):
            groups.setdefault(tuple(own[q].tolist()), []).append(q)
    aucs = []
    for g, h in itertools.permutations(groups, 2):
        right = [k for k in range(keys) if g[k] and not h[k]]
        wrong = [k for k in range(keys) if h[k] and not g[k]]
        if right and wrong:
            wins = [
                1.0 if w[q, a] > w[q, b] else 0.5 if w[q, a] == w[q, b] else 0.0
                for q in groups[g]
                for a in right
                for b in wrong
            ]
            aucs.append(sum(wins) / len(wins))
    candidates = [k for k in range(keys) if any(own[q, k] for q in range(queries))]
    points = []
    for g, rows in groups.items():
        if all(g[k] for k in candidates):
            continue
        each = []
        for q in rows:
            top = max(w[q, k] for k in candidates)
            tied = [k for k in candidates if w[q, k] == top]
            each.append(sum(g[k] for k in tied) / len(tied))
        points.append(sum(each) / len(each))
    judged = [q for q in range(queries) if any(own[q]) and not all(own[q])]
    mass = [sum(w[q, k] for k in range(keys) if own[q, k]) for q in judged]
    share = [sum(own[q].tolist()) / keys for q in judged]
    nan = math.nan
    return {
        "alignment_auc": sum(aucs) / len(aucs) if aucs else nan,
        "alignment_pointing": sum(points) / len(points) if points else nan,
        "alignment_excess": (sum(mass) - sum(share)) / len(judged) if judged else nan,
        "alignment_lift": sum(mass) / sum(share) if judged else nan,
    }


shapes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 14), st.integers(1, 4))


# -- alignment -------------------------------------------------------------------------------------------------


@runs
@given(shapes, st.integers(0, 10**6), st.booleans())
def test_alignment_is_what_loops_give(shape: tuple[int, int, int, int], seed: int, ties: bool) -> None:
    heads, queries, keys, elements = shape
    w = drawn(heads, queries, keys, seed, ties=ties)
    own = mentions(queries, keys, elements, seed)
    found = alignment_of(w, own)
    for head in range(heads):
        for name, value in by_loops(w[head], own).items():
            np.testing.assert_allclose(found[name][head], value, rtol=1e-9, atol=1e-12, err_msg=name)


@runs
@given(shapes, st.integers(0, 10**6))
def test_rows_that_are_all_alike_are_not_aligned(shape: tuple[int, int, int, int], seed: int) -> None:
    heads, queries, keys, elements = shape
    w = np.repeat(drawn(heads, 1, keys, seed), queries, axis=1)
    own = mentions(queries, keys, elements, seed)
    auc = alignment_of(w, own)["alignment_auc"]
    np.testing.assert_allclose(auc[np.isfinite(auc)], 0.5, atol=1e-12)


@runs
@given(shapes, st.integers(0, 10**6))
def test_order_copies_and_uniform_attention(shape: tuple[int, int, int, int], seed: int) -> None:
    heads, queries, keys, elements = shape
    w, own = drawn(heads, queries, keys, seed), mentions(queries, keys, elements, seed)
    found = alignment_of(w, own)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(queries), rng.permutation(keys)
    mixed = alignment_of(w[:, rows][:, :, columns], own[rows][:, columns])
    supercell = alignment_of(np.repeat(w, 3, axis=1), np.repeat(own, 3, axis=0))
    flat = alignment_of(np.full_like(w, 1 / keys), own)
    for name, value in found.items():
        np.testing.assert_allclose(mixed[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(supercell[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
        none = {"alignment_auc": 0.5, "alignment_excess": 0.0, "alignment_lift": 1.0}.get(name)
        if none is not None:
            expected = np.where(np.isfinite(value), none, np.nan)
            np.testing.assert_allclose(flat[name], expected, atol=1e-12, err_msg=name)


def test_a_crystal_of_one_element_has_no_other_to_be_told_from() -> None:
    w = drawn(2, 4, 6, 0)
    own = np.tile(np.array([True, False, True, False, False, False]), (4, 1))
    found = alignment_of(w, own)
    assert np.isnan(found["alignment_auc"]).all()
    assert np.isnan(found["alignment_pointing"]).all()
    assert np.isfinite(found["alignment_lift"]).all()  # against the other words
    turned = alignment_of(drawn(2, 6, 4, 0), own.T)  # tokens that read atoms: every atom is right
    assert all(np.isnan(value).all() for value in turned.values())


def test_a_text_without_mentions_says_nothing() -> None:
    found = alignment_of(drawn(2, 4, 6, 0), np.zeros((4, 6), bool))
    assert all(np.isnan(value).all() for value in found.values())


def test_everything_on_one_word_is_concentrated_and_not_aligned() -> None:
    w = np.full((1, 4, 10), 1e-3)
    w[:, :, 9] = 1.0
    own = np.zeros((4, 10), bool)
    own[:2, 0] = own[2:, 1] = True
    found = alignment_of(w, own)
    assert found["alignment_auc"][0] == 0.5
    assert found["alignment_lift"][0] < 0.1
    w[:, :2, 0] *= 3
    w[:, 2:, 1] *= 3
    assert alignment_of(w, own)["alignment_auc"][0] == 1.0


@runs
@given(shapes, st.integers(0, 10**6), st.booleans())
def test_right_keys_against_all_others(shape: tuple[int, int, int, int], seed: int, ties: bool) -> None:
    heads, queries, keys, elements = shape
    w, own = drawn(heads, queries, keys, seed, ties=ties), mentions(queries, keys, elements, seed)
    rows = [q for q in range(queries) if own[q].any() and not own[q].all()]
    for head, found in enumerate(auc_against_all(w, own)):
        each = [
            np.mean(
                [
                    (w[head, q, a] > w[head, q, b]) + 0.5 * (w[head, q, a] == w[head, q, b])
                    for a in np.flatnonzero(own[q])
                    for b in np.flatnonzero(~own[q])
                ]
            )
            for q in rows
        ]
        np.testing.assert_allclose(found, np.mean(each) if each else np.nan, rtol=1e-9)


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="own"):
        alignment_of(drawn(1, 3, 4, 0), np.zeros((4, 3), bool))


# -- what is captured is what the functions of one map give -----------------------------------------------------


def batch_of(seed: int) -> tuple[BatchIdentity, dict[str, AttentionCall]]:
    """Three crystals with descriptions and structures, and random weights in both directions."""
    elements = (("Na", "Cl", "Na", "Cl"), ("Fe", "Fe", "O", "O", "O"), ("Si",))
    texts = (
        "NaCl is cubic. Na is bonded to six Cl atoms. The Na-Cl bond lengths are 2.82 Å. Cl sits on a site.",
        "Fe2O3 is a crystal of iron and oxygen. O is coordinated to Fe.",
        "Si is diamond.",
    )
    tokens = []
    for text in texts:
        words = re.findall(r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*|[^\w\s]", text)
        special = (True, *[False] * len(words), True)
        tokens.append(TokenLabels(("[CLS]", *words, "[SEP]"), (-1, *range(len(words)), -1), special, text))
    rng = np.random.default_rng(seed)
    identity = BatchIdentity(("a", "b", "c"), elements, tuple(tokens))
    calls = {}
    for direction, sizes in (
        ("atom_to_text", [(len(e), len(t.tokens)) for e, t in zip(elements, tokens)]),
        ("text_to_atom", [(len(t.tokens), len(e)) for e, t in zip(elements, tokens)]),
    ):
        queries, keys = (max(s[i] for s in sizes) for i in (0, 1))
        masks = [
            torch.tensor([[j < s[i] for j in range(n)] for s in sizes]) for i, n in ((0, queries), (1, keys))
        ]
        scores = torch.from_numpy(rng.normal(size=(3, 2, queries, keys)))
        weights = scores.masked_fill(~masks[1][:, None, None], -math.inf).softmax(-1)
        calls[direction] = AttentionCall(
            "fusion", 0, "text_to_atom" if direction == "text_to_atom" else "atom_to_text", weights, *masks
        )
    return identity, calls


@pytest.mark.parametrize("direction", ["atom_to_text", "text_to_atom"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_captured_numbers_are_those_of_one_map(direction: str, seed: int) -> None:
    identity, calls = batch_of(seed)
    block = reduce_call(calls[direction], identity).block
    for i, (labels, elements) in enumerate(zip(identity.tokens or (), identity.elements)):
        assert elements is not None
        own = own_mentions(labels, elements)
        assert own is not None
        kinds = np.unique(elements, return_inverse=True)[1]
        categories = token_categories(labels, elements)
        assert categories is not None
        special = np.array(labels.special)
        dropped = special | np.isin(categories, ["function_word", "punctuation"])
        for s, out in enumerate((np.zeros_like(special), special, dropped)):
            w = calls[direction].weights[i].numpy()
            if direction == "atom_to_text":
                w, right = w[:, : len(elements), : len(special)][:, :, ~out], own[:, ~out]
            else:
                w, right = w[:, : len(special), : len(elements)][:, ~out], own[:, ~out].T
            w = w / w.sum(-1, keepdims=True)
            w = np.concatenate([w, w.mean(0, keepdims=True)])
            by_atom = w if direction == "atom_to_text" else w.swapaxes(1, 2)
            classes = np.unique(np.array(categories)[~out], return_inverse=True)[1]
            expected = alignment_of(w, right) | {
                "element_blocks": block_share(by_atom, kinds),
                "word_blocks": block_share(by_atom.swapaxes(1, 2), classes),
            }
            for name, value in expected.items():
                found = np.asarray(block.values)[i, s, :, block.names.index(name)]
                np.testing.assert_allclose(found, value, rtol=2e-4, atol=2e-5, err_msg=f"{name} {i} {s}")


def test_sites_are_told_apart_within_their_element() -> None:
    lattice = ((5.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 5.0))
    cubic = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5), (0.5, 0.5, 0.5))
    elements = ("O", "O", "O", "O", "Ti")
    sites = inequivalent_sites(Structure(lattice, cubic, elements))
    assert sites is not None
    assert sites[1] == sites[2] == sites[3] != sites[0] != sites[4]
    w = drawn(2, 5, 8, 0)
    blocked = w.copy()
    blocked[:, 2:4] = blocked[:, 1:2]  # equivalent atoms read alike
    kinds = np.array([0, 0, 0, 0, 1])
    np.testing.assert_allclose(nested_share(blocked, kinds, np.array(sites)), 1.0)
    assert (nested_share(w, kinds, np.array(sites)) < 1).all()


# -- blocks and heads ------------------------------------------------------------------------------------------


@runs
@given(st.integers(2, 7), st.integers(1, 5), st.integers(0, 10**6))
def test_blocks_are_nothing_on_average_over_all_permutations(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(1, min(n, 6), d))
    groups = np.unique(rng.integers(0, 3, min(n, 6)), return_inverse=True)[1]
    values = [block_share(points, groups[list(p)])[0] for p in itertools.permutations(range(len(groups)))]
    if 1 < groups.max() + 1 < len(groups):
        assert abs(float(np.mean(values))) < 1e-9
    else:
        assert np.isnan(values).all()


def test_blocks_alone_give_one_and_rows_that_are_alike_give_none() -> None:
    groups = np.array([0, 0, 1, 1, 2])
    blocks = drawn(2, 3, 7, 1)[:, groups]
    np.testing.assert_allclose(block_share(blocks, groups), 1.0)
    assert np.isnan(block_share(np.repeat(blocks[:, :1], 5, axis=1), groups)).all()
    assert np.isnan(block_share(blocks, np.zeros(5, int))).all()


def test_heads_that_are_alike_are_redundant_and_heads_apart_are_not() -> None:
    w = drawn(1, 4, 6, 0)
    assert head_diversity(np.repeat(w, 3, axis=0)) == pytest.approx(0.0, abs=1e-12)
    apart = np.zeros((2, 4, 6))
    apart[0, :, :3], apart[1, :, 3:] = 1 / 3, 1 / 3
    assert head_diversity(apart) == pytest.approx(1.0)
    np.testing.assert_allclose(pairwise_distances(apart), [[0, 1], [1, 0]], atol=1e-7)
    assert math.isnan(head_diversity(w))


@runs
@given(st.integers(2, 5), st.integers(0, 10**6))
def test_heads_are_matched_as_sets(heads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.dirichlet(np.ones(6), size=(heads, 4))
    order = rng.permutation(heads)
    pairs, distance = match_heads(first, first[order])
    assert [b for _, b in pairs] == [int(np.flatnonzero(order == a)[0]) for a, _ in pairs]
    best = min(sum(distance[a, p[a]] for a in range(heads)) for p in itertools.permutations(range(heads)))
    assert sum(distance[a, b] for a, b in pairs) == pytest.approx(best, abs=1e-9)


def test_a_head_apart_is_special_and_two_alike_are_redundant() -> None:
    shares = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.2, 0.8]])[:, None, :]
    assert redundancy(shares)[:, 0] == pytest.approx([1, 1, 0])
    special = specialisation(shares)[:, 0]
    assert special[2] == pytest.approx(1)
    assert special[0] == pytest.approx(special[1])
    assert 0 < special[0] < 1
    assert np.isnan(specialisation(shares[:1])).all()
    assert np.isnan(redundancy(shares[:1])).all()


@given(seed=st.integers(0, 2**31), heads=st.integers(2, 5), scale=st.floats(0.01, 100))
@settings(max_examples=40, deadline=None)
def test_heads_are_a_set_and_shares_need_not_add_to_one(seed, heads, scale) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(6, 0.4), size=(heads, 3))
    order = rng.permutation(heads)
    for measure in (specialisation, redundancy):
        found = measure(shares)
        assert found.shape == (heads, 3)
        assert ((found > -1e-9) & (found < 1 + 1e-9)).all()
        assert np.allclose(measure(scale * shares[order]), found[order], atol=1e-6)
    # with two heads each is as far from the other as from all others, and nearest to it
    two = shares[:2]
    assert np.allclose(specialisation(two), 1 - redundancy(two), atol=1e-9)
    assert np.allclose(specialisation(two) ** 2, divergence(two), atol=1e-9)


# -- planted truth ---------------------------------------------------------------------------------------------


def test_planted_alignment_is_found_and_none_where_none_was_planted() -> None:
    planted, none = (study(strength, 12, 40) for strength in (0.75, 0.0))
    assert planted["found"] == 1
    assert planted["mean_arm"] > 0.58 > 0.52 > planted["mean_baseline"] > 0.48
    assert none["found"] <= 4 / 12  # binomial(12, 0.05) is above four once in two thousand


@pytest.mark.parametrize("near", [1.0, 1e-2])
@pytest.mark.parametrize("direction", ["atom_to_text", "text_to_atom"])
def test_sites_are_read_from_structures_on_every_device(direction: str, near: float) -> None:
    identity, calls = batch_of(3)
    # sites of an element read almost alike where elements do not: sums of squares that are near each other
    w = calls[direction].weights.float()
    by_atom = w if direction == "atom_to_text" else w.transpose(2, 3)
    for atoms in (slice(0, 2), slice(2, 5)):
        mean = by_atom[1, :, atoms].mean(1, keepdim=True)
        by_atom[1, :, atoms] = mean + near * (by_atom[1, :, atoms] - mean)
    calls[direction] = dataclasses.replace(calls[direction], weights=w)
    lattice = ((5.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 6.0))
    places = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))
    structure = Structure(lattice, places, ("Fe", "Fe", "O", "O", "O"))
    identity = dataclasses.replace(identity, structures=(None, structure, None))
    sites = inequivalent_sites(structure)
    assert sites is not None
    kinds = np.array([0, 0, 1, 1, 1])
    assert 2 < len(set(sites)) < 5
    real = reduce_call(calls[direction], identity).block
    padded = reduce_padded(calls[direction], BatchWords(identity), SCOPES, wanted=frozenset(), head_mean=True)
    found = np.asarray(real.values)[..., real.names.index("site_blocks")]
    other = padded.values[..., padded.names.index("site_blocks")].numpy()
    np.testing.assert_allclose(found, other, rtol=1e-4, atol=1e-5)
    assert np.isfinite(found[1]).all()
    assert np.isnan(found[[0, 2]]).all()
    labels = (identity.tokens or ())[1]
    assert labels is not None
    n = len(labels.tokens)
    w = calls[direction].weights[1].numpy()
    by_atom = w[:, :5, :n] if direction == "atom_to_text" else w[:, :n, :5].swapaxes(1, 2)
    np.testing.assert_allclose(found[1, 0, :2], nested_share(by_atom, kinds, np.array(sites)), rtol=1e-4)
