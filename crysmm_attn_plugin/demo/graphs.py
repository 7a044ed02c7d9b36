"""ALIGNN graphs of crystals, built once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import dgl
import torch
from alignn.graphs import Graph
from safetensors.torch import load_file, save_file

from crysmm_attn_plugin.demo.crystals import Crystal
from crysmm_attn_plugin.store.files import write_atomic

GraphPair = tuple[dgl.DGLGraph, dgl.DGLGraph]


def build_graphs(
    crystals: Sequence[Crystal],
    *,
    cutoff: float = 8.0,
    max_neighbors: int = 8,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[GraphPair]:
    """Graph and line graph of each crystal, in order.

    Args:
        crystals: Nodes keep the order of each crystal's elements.
        cutoff: Radius within which neighbours are looked for, in angstrom.
        max_neighbors: Nearest neighbours per atom; equidistant ones beyond it are kept.
        cache_dir: Where graphs are kept for the next time; not kept when None.
        progress: Called with 1 for each crystal.

    Returns:
        Pairs ``(g, lg)``: ``g.ndata["atom_features"]`` (atoms, 92), ``g.edata["r"]`` (bonds, 3) in angstrom,
        ``lg.edata["h"]`` cosines of bond angles.
    """
    path = None
    if cache_dir is not None:
        key = json.dumps([cutoff, max_neighbors, [_key(c) for c in crystals]])
        path = Path(cache_dir) / f"graphs-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            return _load(path, len(crystals))
    pairs = []
    for crystal in crystals:
        pairs.append(_build(crystal, cutoff, max_neighbors))
        if progress is not None:
            progress(1)
    if path is not None:
        _save(path, pairs)
    return pairs


def _build(crystal: Crystal, cutoff: float, max_neighbors: int) -> GraphPair:
    g, lg = Graph.atom_dgl_multigraph(
        crystal.atoms(),
        neighbor_strategy="k-nearest",
        cutoff=cutoff,
        max_neighbors=max_neighbors,
        atom_features="cgcnn",
        compute_line_graph=True,
        use_canonize=True,
        id=crystal.id,
    )
    if g.num_nodes() != len(crystal.elements):
        raise ValueError(f"{crystal.id}: graph of {g.num_nodes()} nodes for {len(crystal.elements)} atoms")
    return _with_only(g, ("atom_features",), ("r",)), _with_only(lg, (), ("h",))


def _with_only(graph: dgl.DGLGraph, nodes: tuple[str, ...], edges: tuple[str, ...]) -> dgl.DGLGraph:
    """A graph with these features alone, as float32; batching copies whatever else it finds."""
    u, v = graph.edges()
    slim = dgl.graph((u.int(), v.int()), num_nodes=graph.num_nodes(), idtype=torch.int32)
    for name in nodes:
        slim.ndata[name] = graph.ndata[name].float()
    for name in edges:
        slim.edata[name] = graph.edata[name].float()
    return slim


def _key(crystal: Crystal) -> list[object]:
    return [crystal.structure.lattice, crystal.structure.frac_coords, crystal.structure.elements]


def _save(path: Path, pairs: Sequence[GraphPair]) -> None:
    tensors: dict[str, torch.Tensor] = {}
    for i, (g, lg) in enumerate(pairs):
        tensors[f"{i}.bonds"] = torch.stack(g.edges())
        tensors[f"{i}.atom_features"] = g.ndata["atom_features"].to(torch.float32)
        tensors[f"{i}.r"] = g.edata["r"].contiguous()
        tensors[f"{i}.pairs"] = torch.stack(lg.edges())
        tensors[f"{i}.h"] = lg.edata["h"].contiguous()
    write_atomic(path, lambda temporary: save_file(tensors, str(temporary)))


def _load(path: Path, count: int) -> list[GraphPair]:
    tensors = load_file(str(path))
    pairs = []
    for i in range(count):
        bonds, links = tensors[f"{i}.bonds"], tensors[f"{i}.pairs"]
        features = tensors[f"{i}.atom_features"]
        g = dgl.graph((bonds[0], bonds[1]), num_nodes=features.shape[0], idtype=torch.int32)
        lg = dgl.graph((links[0], links[1]), num_nodes=bonds.shape[1], idtype=torch.int32)
        g.ndata["atom_features"], g.edata["r"] = features, tensors[f"{i}.r"]
        lg.edata["h"] = tensors[f"{i}.h"]
        pairs.append((g, lg))
    return pairs
