"""What a training of the reference host starts from: crystals, graphs, token states, split, a fresh network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.crystals import Crystal, CrystalSet, load_demo_crystals, read_folder
from crysmm_attn_plugin.demo.dataset import split_positions
from crysmm_attn_plugin.demo.graphs import GraphPair, build_graphs
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.text import EncodedText, encode_texts


@dataclass(frozen=True)
class PreparedData:
    """What every arm and seed of one data set shares: crystals, graphs, token states, split."""

    crystals: Sequence[Crystal]
    graphs: Sequence[GraphPair]
    texts: Sequence[EncodedText]
    split: Mapping[str, list[int]]
    seconds: Mapping[str, float]

    @property
    def token_width(self) -> int:
        return int(self.texts[0].states.shape[1])

    def targets(self, name: str) -> torch.Tensor:
        """(n,) targets of one split."""
        return torch.tensor([self.crystals[i].target for i in self.split[name]])

    @property
    def mean_predictor_mae(self) -> float:
        """Test error of predicting the mean of the training targets."""
        return float((self.targets("test") - self.targets("train").mean()).abs().mean())


def load_crystals(config: HostConfig) -> CrystalSet:
    """The crystals a configuration names, at most ``max_crystals`` of them."""
    if config.root_dir:
        found = read_folder(config.root_dir, dataset=config.dataset, property=config.property_name)
    else:
        found = load_demo_crystals()
    if 0 < config.max_crystals < len(found):
        split = split_positions(len(found), split_seed=config.split_seed, val_ratio=0.1, test_ratio=0.1)
        order = [i for name in ("train", "val", "test") for i in split[name]]
        chosen = sorted(order[: config.max_crystals])
        found = dataclasses.replace(found, crystals=tuple(found.crystals[i] for i in chosen))
    return found


def prepare(config: HostConfig, *, progress: Callable[[str, int, int], None] | None = None) -> PreparedData:
    """Graphs and token states, from the cache where they are there.

    Args:
        config: What to prepare.
        progress: Called with ``graphs`` or ``text``, how many more are done, and how many there are.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    crystals = load_crystals(config).crystals

    def step(what: str) -> Callable[[int], None] | None:
        return None if progress is None else lambda n: progress(what, n, len(crystals))

    started = time.perf_counter()
    graphs = build_graphs(
        crystals,
        cutoff=config.cutoff,
        max_neighbors=config.max_neighbors,
        cache_dir=config.cache,
        progress=step("graphs"),
    )
    graphs_done = time.perf_counter()
    texts = encode_texts(
        [c.text for c in crystals],
        model=config.text_model,
        max_tokens=config.max_tokens,
        cache_dir=config.cache,
        progress=step("text"),
    )
    seconds = {"graphs": graphs_done - started, "text": time.perf_counter() - graphs_done}
    split = split_positions(
        len(crystals), split_seed=config.split_seed, val_ratio=config.val_ratio, test_ratio=config.test_ratio
    )
    return PreparedData(crystals, graphs, texts, split, seconds)


def build_network(config: HostConfig, data: PreparedData) -> CrystalTextALIGNN:
    """A fresh network that knows the scale of the training targets."""
    net = CrystalTextALIGNN(data.token_width, **config.model_arguments())
    targets = data.targets("train")
    net.set_target_scale(float(targets.mean()), max(float(targets.std(correction=0)), 1e-8))
    return net
