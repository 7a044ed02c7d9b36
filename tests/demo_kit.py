"""The demo's crystals, graphs and token states, prepared once for all of its tests."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import lru_cache

import torch

from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.dataset import Loaders, make_loaders, seed_everything
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.prepared import PreparedData, build_network, prepare

#: 60 crystals, a network as small as it may be.
SMALL = HostConfig(
    max_crystals=60, epochs=2, width=16, heads=2, max_neighbors=4, batch_size=16, test_ratio=0.4
)


@lru_cache(maxsize=1)
def prepared() -> PreparedData:
    """Prepared data of ``SMALL``."""
    with tempfile.TemporaryDirectory() as cache:
        return prepare(dataclasses.replace(SMALL, cache_dir=cache))


def network(seed: int = 0, **changes: object) -> CrystalTextALIGNN:
    """A fresh network of ``SMALL``."""
    seed_everything(seed)
    return build_network(dataclasses.replace(SMALL, **changes), prepared())  # type: ignore[arg-type]


def loaders(batch_size: int = 16) -> Loaders:
    """Loaders over ``SMALL``'s split."""
    data = prepared()
    return make_loaders(
        data.crystals, data.graphs, data.texts, batch_size=batch_size, seed=0, split=dict(data.split)
    )


def settle(net: CrystalTextALIGNN) -> CrystalTextALIGNN:
    """Let batch normalisation see the training crystals before the network is evaluated."""
    net.train()
    with torch.no_grad():
        for graph, line_graph, states, mask, _ in loaders().train:
            net((graph, line_graph, states, mask))
    return net.eval()
