"""Interventions in extra passes: what they change, what they leave alone, what they refuse."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from demo_kit import loaders, network, prepared, settle
from torch import nn

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.testing import predict, to_device
from crysmm_attn_plugin.errors import CaptureError, UsageError


def forward(net: nn.Module, batch: tuple) -> torch.Tensor:
    return net(to_device(batch, "cpu")[0])


class TextBlind(CrystalTextALIGNN):
    """Forms its attention like the other, and predicts from the graph before it met the text."""

    def forward(self, inputs, return_attention=False):
        graph, line_graph, states, mask = inputs
        tokens = self.token_embedding(states)
        atoms, node_mask = self._encode_graph(graph, line_graph, 0 * tokens.mean(1))
        self.fine_grained_attention(atoms, tokens, node_mask=node_mask, token_mask=mask)
        return self.head((atoms * node_mask[..., None]).sum(1)).squeeze(-1)


@pytest.fixture(scope="module")
def net():
    return settle(network())


@pytest.fixture(scope="module")
def result(net):
    return attn.probe(net, loaders(16).test, forward=forward, sizes=(1, 4), draws=2)


def _random_states() -> tuple:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), kind, keys.tolist(), rest, random.getstate()


def test_model_random_states_and_predictions_are_what_they_were(net) -> None:
    loader = loaders(16).test
    before = predict(net, loader)[2]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    hooks = len(net._forward_hooks)
    net.train()
    random_before, softmax = _random_states(), (torch.Tensor.softmax, torch.softmax, nn.functional.softmax)
    attn.probe(net, loader, forward=forward, interventions=("uniform",))
    assert _random_states() == random_before
    assert (torch.Tensor.softmax, torch.softmax, nn.functional.softmax) == softmax
    assert net.training
    assert len(net._forward_hooks) == hooks
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert torch.equal(predict(net, loader)[2], before)


def test_every_crystal_has_a_row_for_each_extra_pass(net, result) -> None:
    ids, targets, predictions = predict(net, loaders(16).test)
    rows = result.effects
    counts = rows.groupby(["intervention", "size", "draw", "head"])["id"].nunique()
    assert (counts.drop("swap") == len(ids)).all()
    assert counts.loc["swap"].item() == len(ids) - 1
    first = rows.drop_duplicates("id").set_index("id").loc[ids]
    assert np.allclose(first["prediction"], predictions, rtol=1e-5)
    assert np.allclose(first["target"], targets, rtol=1e-5)
    assert np.allclose(rows["shift"], (rows["changed"] - rows["prediction"]).abs())
    assert not result.refused
    assert set(result.costs) == set(rows["intervention"])


def test_numbers_do_not_depend_on_the_batch_size(net, result) -> None:
    keys = ["id", "intervention", "size", "draw", "head"]
    alone = attn.probe(net, loaders(1).test, forward=forward, sizes=(1, 4), draws=2).effects
    joined = result.effects.merge(alone, on=keys, suffixes=("", "_alone"))
    assert len(joined) == len(result.effects) == len(alone)
    assert np.allclose(joined["changed"], joined["changed_alone"], rtol=1e-4, atol=1e-4)


def test_a_model_that_never_reads_what_it_attends_to_shows_nothing(net) -> None:
    blind = TextBlind(prepared().token_width, width=16, heads=2)
    found = attn.probe(settle(blind), loaders(16).test, forward=forward, sizes=(1, 4))
    assert (found.effects["shift"] == 0).all()
    assert found.used == "not_used"
    assert "not used" in found.sentence


def test_what_cannot_be_asked_is_refused_in_a_sentence(net) -> None:
    loader = loaders(16).test
    with pytest.raises(UsageError, match="there is no intervention 'knock'"):
        attn.probe(net, loader, forward=forward, interventions=("knock",))
    with pytest.raises(UsageError, match="whole numbers of words"):
        attn.probe(net, loader, forward=forward, sizes=(0,))
    with pytest.raises(CaptureError, match="one predicted number a crystal"):
        attn.probe(net, loader, forward=lambda n, b: forward(n, b).expand(3, -1))
    plain = nn.Linear(3, 1)
    with pytest.raises(CaptureError, match="no attention was seen in Linear"):
        attn.probe(plain, [torch.zeros(4, 3)], forward=lambda n, b: n(b).squeeze(-1))


def test_passes_that_cannot_be_repeated_are_refused(net) -> None:
    class Noisy(CrystalTextALIGNN):
        def forward(self, inputs, return_attention=False):
            return super().forward(inputs) + torch.randn(())

    noisy = settle(Noisy(prepared().token_width, width=16, heads=2))
    with pytest.raises(CaptureError, match="its passes cannot be repeated"):
        attn.probe(noisy, loaders(16).test, forward=forward)
