"""Elements read from a graph's own features: true, or not given."""

from __future__ import annotations

import dgl
import torch

from crysmm_attn_plugin.demo.crystals import load_demo_crystals
from crysmm_attn_plugin.demo.graphs import build_graphs
from crysmm_attn_plugin.hooks.reading.batch import first_graph, graph_counts
from crysmm_attn_plugin.hooks.reading.elements import UNKNOWN, cgcnn_rows, elements_from_graph

SHARED = {("La", "Ce"), ("Sm", "Gd"), ("Ho", "Er"), ("Th", "Np"), ("Am", "Cm")}


def graph_of(symbols: list[str]) -> dgl.DGLGraph:
    rows = {element: row for row, elements in cgcnn_rows().items() for element in elements}
    graph = dgl.graph(([], []), num_nodes=len(symbols))
    graph.ndata["atom_features"] = torch.tensor([rows[s] for s in symbols], dtype=torch.float32)
    return graph


def test_some_elements_share_their_features():
    assert {e for e in cgcnn_rows().values() if len(e) == 2} == SHARED


def test_every_crystal_of_the_demo_is_read_right_or_left_unknown():
    crystals = load_demo_crystals().crystals
    graphs = build_graphs(crystals, cutoff=8.0, max_neighbors=4)
    batch = dgl.batch([g for g, _ in graphs])
    counts = batch.batch_num_nodes().tolist()
    ids = [c.id for c in crystals]
    with_texts = elements_from_graph(batch, counts, ids, [c.text for c in crystals])
    for crystal, found in zip(crystals, with_texts):
        assert all(f in (e, UNKNOWN) for f, e in zip(found, crystal.elements)), crystal.id
    unknown = sum(f == UNKNOWN for found in with_texts for f in found)
    assert unknown == 0, "every description names its elements"


def test_a_shared_row_is_named_by_the_text_or_the_id_and_by_nothing_else():
    graph = graph_of(["Ce", "O", "O"])
    assert elements_from_graph(graph, [3], ["JVASP-1"], ["CeO2 crystallizes in Fm-3m"]) == (("Ce", "O", "O"),)
    assert elements_from_graph(graph, [3], ["CeO2_fluorite"], None) == (("Ce", "O", "O"),)
    assert elements_from_graph(graph, [3], ["JVASP-1"], None) == ((UNKNOWN, "O", "O"),)
    assert elements_from_graph(graph, [3], ["JVASP-1"], ["LaCe4 and more"]) == ((UNKNOWN, "O", "O"),)


def test_a_graph_that_does_not_say_leaves_them_unknown():
    graph = dgl.graph(([], []), num_nodes=2)
    assert elements_from_graph(graph, [2], ["a"], None) is None


def test_atomic_numbers_are_read_as_they_are():
    graph = dgl.graph(([], []), num_nodes=2)
    graph.ndata["atomic_number"] = torch.tensor([57, 58])
    assert elements_from_graph(graph, [2], ["a"], None) == (("La", "Ce"),)


def test_alignns_graphs_without_dgl_are_read_like_the_others():
    from alignn.torch_graph_builder import batch_torch_graph_pairs, build_pure_torch_graph
    from jarvis.core.atoms import Atoms

    crystals = [c for c in load_demo_crystals().crystals if len(c.elements) < 6][:3]
    pairs = []
    for crystal in crystals:
        cell = crystal.structure
        atoms = Atoms(lattice_mat=cell.lattice, coords=cell.frac_coords, elements=list(cell.elements))
        pairs.append(build_pure_torch_graph(atoms=atoms, two_body_cutoff=5.0, max_neighbors=8))
    graph, _ = batch_torch_graph_pairs(pairs)
    batch = (graph, "targets")
    assert first_graph(batch) is graph
    counts = graph_counts(graph)
    assert counts == [len(c.elements) for c in crystals]
    found = elements_from_graph(graph, counts, [c.id for c in crystals], [c.text for c in crystals])
    assert found == tuple(c.elements for c in crystals)
    single = pairs[0][0]
    assert graph_counts(single) == [len(crystals[0].elements)]
