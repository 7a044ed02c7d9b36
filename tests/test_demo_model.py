"""The reference host: shapes, training of both directions, indifference to padding and batch size."""

from __future__ import annotations

import pytest
import torch
from demo_kit import SMALL, loaders, network, prepared, settle

from crysmm_attn_plugin.demo.attention import AtomTokenAttention
from crysmm_attn_plugin.demo.dataset import split_positions
from crysmm_attn_plugin.demo.graphs import build_graphs
from crysmm_attn_plugin.demo.testing import predict
from crysmm_attn_plugin.errors import UsageError


def _first_batch(batch_size: int = 8):
    return next(iter(loaders(batch_size).test))


def test_predictions_and_weights_have_the_promised_shapes() -> None:
    graph, line_graph, states, mask, _ = _first_batch(8)
    prediction, weights = network().eval()((graph, line_graph, states, mask), return_attention=True)
    atoms, tokens = int(graph.batch_num_nodes().max()), mask.shape[1]
    assert prediction.shape == (8,)
    assert weights["atom_to_text"].shape == (8, SMALL.heads, atoms, tokens)
    assert weights["text_to_atom"].shape == (8, SMALL.heads, tokens, atoms)


def test_weights_sum_to_one_and_none_falls_on_padding() -> None:
    graph, line_graph, states, mask, _ = _first_batch(8)
    with torch.no_grad():
        _, weights = network().eval()((graph, line_graph, states, mask), return_attention=True)
    atom_to_text = weights["atom_to_text"]
    torch.testing.assert_close(atom_to_text.sum(-1), torch.ones(atom_to_text.shape[:-1]))
    assert atom_to_text[~mask[:, None, None, :].expand_as(atom_to_text)].abs().max() == 0


def test_asking_for_the_weights_changes_no_prediction() -> None:
    inputs = _first_batch(8)[:4]
    net = network().eval()
    with torch.no_grad():
        assert torch.equal(net(inputs), net(inputs, return_attention=True)[0])


def test_every_parameter_is_trained_in_both_arms() -> None:
    for layers in ((1, 2), ()):
        net = network(middle_fusion_layers=layers).train()
        *inputs, target = _first_batch(16)
        (net(inputs) - target).abs().mean().backward()
        silent = {n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
        # No ALIGNN uses the angles' features of its last such layer, nor the bonds' of its last layer.
        unused = ("alignn_layers.1.edge_update.bn_edges", "gcn_layers.1.bn_edges")
        assert {name for name in silent if not name.startswith(unused)} == set()


def test_both_directions_of_the_attention_reach_the_loss() -> None:
    net = network().train()
    *inputs, target = _first_batch(16)
    (net(inputs) - target).abs().mean().backward()
    attention = net.fine_grained_attention
    for layer in (attention.atom_query, attention.token_memory, attention.token_query, attention.atom_memory):
        assert layer.weight.grad.abs().max() > 1e-8


def test_arms_of_one_seed_differ_only_by_the_middle_fusion() -> None:
    full, without = network(seed=3), network(seed=3, middle_fusion_layers=())
    ours, theirs = full.state_dict(), without.state_dict()
    extra = set(ours) - set(theirs)
    assert extra
    assert all(name.startswith("middle_fusion.") for name in extra)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("layers", [(1, 2), ()])
def test_predictions_do_not_depend_on_batch_size_or_padding(layers) -> None:
    net = settle(network(middle_fusion_layers=layers))
    one_by_one = predict(net, loaders(1).test)[2]
    for batch_size in (7, 32):
        torch.testing.assert_close(
            predict(net, loaders(batch_size).test)[2], one_by_one, rtol=1e-4, atol=1e-4
        )


def test_padding_added_by_hand_changes_nothing() -> None:
    torch.manual_seed(0)
    attention = AtomTokenAttention(8, heads=2).eval()
    atoms, tokens = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    padded_atoms = torch.cat([atoms, torch.full((2, 4, 8), 9.0)], dim=1)
    padded_tokens = torch.cat([tokens, torch.full((2, 2, 8), -9.0)], dim=1)
    plain = attention(atoms, tokens)
    padded = attention(
        padded_atoms,
        padded_tokens,
        node_mask=torch.tensor([[True] * 3 + [False] * 4] * 2),
        token_mask=torch.tensor([[True] * 5 + [False] * 2] * 2),
    )
    torch.testing.assert_close(padded[0][:, :3], plain[0])
    torch.testing.assert_close(padded[1][:, :5], plain[1])


def test_node_order_of_a_graph_is_the_order_of_the_crystals_elements() -> None:
    from jarvis.core.specie import get_node_attributes

    for crystal, (graph, _) in list(zip(prepared().crystals, prepared().graphs))[:20]:
        expected = torch.tensor(
            [get_node_attributes(e, "cgcnn") for e in crystal.elements], dtype=torch.float32
        )
        assert torch.equal(graph.ndata["atom_features"], expected)


def test_graphs_come_back_from_the_cache_as_they_were_built(tmp_path) -> None:
    crystals = prepared().crystals[:4]
    built = build_graphs(crystals, max_neighbors=4, cache_dir=tmp_path)
    again = build_graphs(crystals, max_neighbors=4, cache_dir=tmp_path)
    for (g, lg), (g2, lg2) in zip(built, again):
        assert torch.equal(torch.stack(g.edges()), torch.stack(g2.edges()))
        assert torch.equal(g.edata["r"], g2.edata["r"])
        assert torch.equal(lg.edata["h"], lg2.edata["h"])
        assert g.ndata["atom_features"].dtype == torch.float32


def test_the_split_is_seeded_disjoint_and_leaves_at_least_sixty_test_crystals() -> None:
    from crysmm_attn_plugin.demo.config import HostConfig
    from crysmm_attn_plugin.demo.crystals import load_demo_crystals

    count, config = len(load_demo_crystals()), HostConfig()
    arguments = {"split_seed": 123, "val_ratio": config.val_ratio, "test_ratio": config.test_ratio}
    split = split_positions(count, **arguments)
    assert split == split_positions(count, **arguments)
    assert sorted(i for part in split.values() for i in part) == list(range(count))
    assert len(split["test"]) >= 60


def test_a_split_with_an_empty_part_is_refused() -> None:
    with pytest.raises(UsageError, match="0 validation"):
        split_positions(5, split_seed=1, val_ratio=0.0, test_ratio=0.4)


def test_a_fusion_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the ALIGNN layers"):
        network(middle_fusion_layers=(3,))
