"""Alignment, blocks and heads: planted truth is found, none is found where none was planted, loops give the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crysmm_attn_plugin.metrics.alignment import alignment_of, auc_against_all

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
