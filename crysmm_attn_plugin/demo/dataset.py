"""The data set and loaders of the reference host, in the shape ALIGNN hosts give theirs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dgl
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from crysmm_attn_plugin.demo.crystals import Crystal
from crysmm_attn_plugin.demo.graphs import GraphPair
from crysmm_attn_plugin.demo.text import EncodedText
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Structure, TokenLabels

Batch = tuple[dgl.DGLGraph, dgl.DGLGraph, torch.Tensor, torch.Tensor, torch.Tensor]


class CrystalTextDataset(Dataset[Any]):
    """Crystals of one split with their graphs and token states.

    Args:
        crystals: In order.
        graphs: Their graph pairs.
        texts: Their encoded descriptions.

    Attributes:
        ids: Crystal ids, by position.
        labels: (n,) targets, by position.
    """

    def __init__(
        self, crystals: Sequence[Crystal], graphs: Sequence[GraphPair], texts: Sequence[EncodedText]
    ) -> None:
        self.crystals = tuple(crystals)
        self.graphs = tuple(graphs)
        self.texts = tuple(texts)
        self.ids = [c.id for c in crystals]
        self.labels = torch.tensor([c.target for c in crystals], dtype=torch.get_default_dtype())

    def __len__(self) -> int:
        return len(self.crystals)

    def __getitem__(self, position: int) -> tuple[dgl.DGLGraph, dgl.DGLGraph, torch.Tensor, torch.Tensor]:
        graph, line_graph = self.graphs[position]
        return graph, line_graph, self.texts[position].states, self.labels[position]

    def elements(self, position: int) -> tuple[str, ...]:
        """Element symbols in node order."""
        return self.crystals[position].elements

    def structure(self, position: int) -> Structure:
        """The structure, atoms in node order."""
        return self.crystals[position].structure

    def token_labels(self, position: int) -> TokenLabels:
        """The tokens whose states the network is given."""
        return self.texts[position].labels


def collate(samples: Sequence[tuple[dgl.DGLGraph, dgl.DGLGraph, torch.Tensor, torch.Tensor]]) -> Batch:
    """A batch: graphs, line graphs, (batch, tokens, width) states, (batch, tokens) mask, (batch,) targets."""
    graphs, line_graphs, states, targets = zip(*samples)
    padded = pad_sequence([s.float() for s in states], batch_first=True)
    lengths = torch.tensor([s.shape[0] for s in states])
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    return dgl.batch(graphs), dgl.batch(line_graphs), padded, mask, torch.stack(targets)


def split_positions(
    count: int, *, split_seed: int, val_ratio: float, test_ratio: float
) -> dict[str, list[int]]:
    """Positions of the training, validation and test crystals: shuffled with the seed, test last.

    Raises:
        UsageError: When a part would be empty.
    """
    order = list(range(count))
    random.Random(split_seed).shuffle(order)
    n_test = round(test_ratio * count)
    n_val = round(val_ratio * count)
    n_train = count - n_val - n_test
    if min(n_train, n_val, n_test) < 1:
        raise UsageError(
            f"{count} crystals split into {n_train} training, {n_val} validation and {n_test} test crystals; "
            "each part needs at least one. Give more crystals or other ratios."
        )
    return {
        "train": order[:n_train],
        "val": order[n_train : n_train + n_val],
        "test": order[n_train + n_val :],
    }


@dataclass(frozen=True)
class Loaders:
    """One loader a split; only the training loader shuffles, with a generator of its own."""

    train: DataLoader[Any]
    val: DataLoader[Any]
    test: DataLoader[Any]


def make_loaders(
    crystals: Sequence[Crystal],
    graphs: Sequence[GraphPair],
    texts: Sequence[EncodedText],
    *,
    batch_size: int,
    seed: int,
    split: dict[str, list[int]],
) -> Loaders:
    """Loaders over a split."""

    def loader(name: str) -> DataLoader[Any]:
        positions = split[name]
        dataset = CrystalTextDataset(
            [crystals[i] for i in positions], [graphs[i] for i in positions], [texts[i] for i in positions]
        )
        shuffled = name == "train"
        return DataLoader(
            dataset,
            batch_size=batch_size,
            shuffle=shuffled,
            collate_fn=collate,
            # A last batch of one would leave batch normalisation nothing to normalise by.
            drop_last=shuffled and len(dataset) % batch_size == 1,
            # Its own generator for the base seed, so that iterating never moves the global one.
            generator=torch.Generator().manual_seed(seed),
        )

    return Loaders(loader("train"), loader("val"), loader("test"))


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
