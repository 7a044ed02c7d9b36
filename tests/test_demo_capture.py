"""Capture in the reference host's own test loop: nothing moves, and the numbers are the right ones."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
import torch
from demo_kit import loaders, network, prepared, settle

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo.testing import predict

BATCH_SIZES = (1, 7, 32)


@pytest.fixture(scope="module")
def net():
    return settle(network())


@pytest.fixture(scope="module")
def runs(net, tmp_path_factory):
    """A captured run for each batch size, all of one set of weights."""
    found = {}
    for batch_size in BATCH_SIZES:
        out, loader = tmp_path_factory.mktemp(f"batch{batch_size}"), loaders(batch_size).test
        with attn.attach(net, loader=loader, out_dir=out, arm="full", strict=True):
            predict(net, loader)
        found[batch_size] = attn.open_run(out / "full")
    return found


def _random_states() -> tuple:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), kind, keys.tolist(), rest, random.getstate()


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_predictions_and_random_states_are_bit_identical_with_and_without_capture(
    net, tmp_path, batch_size
) -> None:
    loader = loaders(batch_size).test
    before = _random_states()
    plain = predict(net, loader)[2]
    after_plain = _random_states()
    with attn.attach(net, loader=loader, out_dir=tmp_path, arm="full", strict=True):
        captured = predict(net, loader)[2]
    assert len(plain) == len(prepared().split["test"])
    assert torch.equal(captured, plain)
    assert _random_states() == after_plain == before


def test_training_continues_identically_after_a_captured_pass(tmp_path) -> None:
    gradients = []
    for capture in (False, True):
        net = settle(network(seed=5))
        loader = loaders(16).test
        if capture:
            with attn.attach(net, loader=loader, out_dir=tmp_path, arm="full", strict=True):
                predict(net, loader)
        else:
            predict(net, loader)
        net.train()
        *inputs, target = next(iter(loaders(16).train))
        torch.manual_seed(1)
        (net(inputs) - target).abs().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    assert torch.equal(*gradients)


def _row_metrics(row: list[float]) -> dict[str, float]:
    """The four primary metrics of one row of weights, in double precision, term by term."""
    total = math.fsum(row)
    w = sorted(x / total for x in row)
    n = len(w)
    entropy = -math.fsum(x * math.log(x) for x in w if x > 0)
    raw = 2 * math.fsum((i + 1) * x for i, x in enumerate(w)) / (n * math.fsum(w)) - (n + 1) / n
    return {
        "entropy": entropy,
        "max_weight": w[-1],
        "effective_tokens_hill": math.exp(entropy),
        "gini": raw * n / (n - 1) if n > 1 else float("nan"),
    }


@pytest.fixture(scope="module")
def expected(net) -> pd.DataFrame:
    """Metrics of every test crystal, direction and head from weights that never saw padding."""
    rows = []
    loader = loaders(1).test
    for crystal, (graph, line_graph, states, mask, _) in zip(loader.dataset.crystals, loader):
        with torch.no_grad():
            _, weights = net((graph, line_graph, states, mask), return_attention=True)
        for direction, tensor in weights.items():
            for head, matrix in enumerate(tensor[0].double().tolist()):
                each = [_row_metrics(row) for row in matrix]
                means = {name: math.fsum(m[name] for m in each) / len(each) for name in each[0]}
                rows.append({"crystal": crystal.id, "direction": direction, "head": head, **means})
    return pd.DataFrame(rows).set_index(["crystal", "direction", "head"]).sort_index()


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("direction", ["atom_to_text", "text_to_atom"])
def test_captured_metrics_equal_a_plain_loop_over_unpadded_weights(
    runs, expected, batch_size, direction
) -> None:
    stored = runs[batch_size].attention
    chosen = stored[
        (stored["direction"] == direction)
        & (stored["head"] >= 0)
        & stored["with_special_tokens"]
        & ~stored["stopwords_removed"]
        & (stored["weights"] == "model")
    ].set_index(["crystal", "direction", "head"])
    wanted = expected.xs(direction, level="direction", drop_level=False)
    assert sorted(chosen.index) == sorted(wanted.index)
    for metric in wanted.columns:
        ours = chosen.loc[wanted.index, metric].to_numpy(float)
        theirs = wanted[metric].to_numpy(float)
        one_atom = direction == "text_to_atom" and metric == "gini"
        real = np.isfinite(theirs) if one_atom else np.ones(len(theirs), bool)
        np.testing.assert_allclose(ours[real], theirs[real], rtol=1e-5, atol=1e-5, err_msg=metric)


def test_ids_elements_tokens_and_predictions_in_the_store_are_the_data_sets(net, runs) -> None:
    dataset = loaders().test.dataset
    ids, targets, predictions = predict(net, loaders(7).test)
    run = runs[7]
    samples = run.samples.set_index("id")
    assert sorted(samples.index) == sorted(ids)
    np.testing.assert_array_equal(samples.loc[ids, "prediction"], predictions.double())
    np.testing.assert_array_equal(samples.loc[ids, "target"], targets.double())
    for position, crystal_id in enumerate(ids):
        assert tuple(run.crystals.loc[crystal_id, "elements"]) == dataset.elements(position)
        assert run.token_labels(crystal_id) == dataset.token_labels(position)
        np.testing.assert_allclose(run.structure(crystal_id).lattice, dataset.structure(position).lattice)


def test_kept_maps_are_the_weights_with_padding_removed(net, runs) -> None:
    loader = loaders(1).test
    for position, (graph, line_graph, states, mask, _) in list(enumerate(loader))[:5]:
        crystal = loader.dataset.crystals[position]
        with torch.no_grad():
            _, weights = net((graph, line_graph, states, mask), return_attention=True)
        for direction in ("atom_to_text", "text_to_atom"):
            kept = runs[32].maps(crystal.id, direction=direction)
            np.testing.assert_allclose(kept.weights, weights[direction][0].numpy(), atol=2e-3)
            assert kept.elements == crystal.elements
            assert kept.tokens == loader.dataset.token_labels(position)
