"""Is alignment found where a task requires it, and only there? ``python -m benchmarks.planted_study --seeds 4``.

Cells of two or three elements. The description gives each element a charge at random, in the mention itself ("Fe3+"); the
target is the mean charge of the atoms. The graph knows the atoms, the text alone knows the charges, so that every atom must
read the mention of its own element. Words are encoded one by one, so that a charge stands in its mention and nowhere else. The
reference network is trained on it with the descriptions that belong to the cells and with shuffled ones, without graph layers: atoms have nothing to ask of each other. Printed are test error, alignment with the own element's
mentions and, by ``probe``, what masking those mentions does against masking as many other words.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dgl
import numpy as np
import torch
from jarvis.core.specie import get_node_attributes
from torch.utils.data import DataLoader

from crysmm_attn_plugin.demo.crystals import Crystal
from crysmm_attn_plugin.demo.dataset import CrystalTextDataset, collate, seed_everything
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.testing import to_device
from crysmm_attn_plugin.demo.text import EncodedText, encode_texts
from crysmm_attn_plugin.metrics.alignment import alignment_of
from crysmm_attn_plugin.records import Structure, TokenLabels
from crysmm_attn_plugin.text.mentions import own_mentions

ELEMENTS = ("Na", "Cl", "Fe", "Ti", "Cu", "Br")
#: Charges that an element may have in a cell.
CHARGES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Planted:
    """A trained network with the cells it is tested on.

    Attributes:
        net: In eval mode.
        loader: Test cells.
        error, mean_error: Test MAE of the network and of predicting the mean, in charges.
        auc: (test cells,) ``alignment_auc``, mean over heads.
    """

    net: CrystalTextALIGNN
    loader: DataLoader[Any]
    error: float
    mean_error: float
    auc: np.ndarray


def cells(count: int, *, seed: int) -> list[Crystal]:
    """Cells with random elements, counts and charges; the target is the mean charge of an atom."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        chosen = draw.sample(ELEMENTS, draw.choice((2, 3)))
        charge = {e: draw.choice(CHARGES) for e in chosen}
        elements = tuple(e for e in chosen for _ in range(draw.randint(1, 4)))
        n = len(elements)
        structure = Structure(
            ((3.0 * n, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 3.0)),
            tuple((j / n, 0.0, 0.0) for j in range(n)),
            elements,
        )
        ions = " and ".join(f"{e}{charge[e]}+" for e in draw.sample(chosen, len(chosen)))
        text = f"the ions of this cell are {ions} in all"
        made.append(Crystal(f"cell{i}", structure, text, float(np.mean([charge[e] for e in elements]))))
    return made


def dataset(made: Sequence[Crystal], *, shuffle_seed: int | None = None) -> CrystalTextDataset:
    """The cells as the reference host's data; with ``shuffle_seed`` each has another's description."""
    texts = [c.text for c in made]
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(texts)
    words = sorted({w for t in texts for w in t.split(" ")})
    alone = dict(zip(words, encode_texts(words, batch_size=64)))
    return CrystalTextDataset(made, [_bare(c.elements) for c in made], [_joined(t, alone) for t in texts])


def _joined(text: str, alone: Mapping[str, EncodedText]) -> EncodedText:
    """A description whose words know nothing of each other: a charge stands in its own mention and nowhere else."""
    words = text.split(" ")
    inner = [[k for k, s in enumerate(alone[w].labels.special) if not s] for w in words]
    tokens = [alone[w].labels.tokens[k] for w, kept in zip(words, inner) for k in kept]
    numbers = [n for n, kept in enumerate(inner) for _ in kept]
    states = torch.cat([alone[w].states[kept] for w, kept in zip(words, inner)])
    return EncodedText(states, TokenLabels(tuple(tokens), tuple(numbers), (False,) * len(tokens), text))


def train_planted(
    *, shuffled: bool, seed: int = 0, count: int = 800, epochs: int = 10, width: int = 32
) -> Planted:
    """Train on ``count`` cells and test on 100 others; descriptions of both are shuffled where asked for.

    Args:
        shuffled: Give every cell another one's description.
        seed: Of weights, order and dropout; the cells are the same for all.
        count: Training cells.
        epochs: Passes over them.
        width: Of the network.
    """
    train = dataset(cells(count, seed=1), shuffle_seed=11 if shuffled else None)
    test = dataset(cells(100, seed=2), shuffle_seed=12 if shuffled else None)
    seed_everything(seed)
    net = CrystalTextALIGNN(
        train.texts[0].states.shape[1], width=width, alignn_layers=0, gcn_layers=0, heads=2, dropout=0.0
    )
    net.set_target_scale(float(train.labels.mean()), float(train.labels.std()))
    loader = DataLoader(
        train, batch_size=32, shuffle=True, collate_fn=collate, generator=torch.Generator().manual_seed(seed)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=epochs * len(loader))
    for _ in range(epochs):
        net.train()
        for batch in loader:
            inputs, target = to_device(batch, "cpu")
            optimizer.zero_grad()
            loss = ((net(inputs) - target) / net.target_scale).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    tested = DataLoader(test, batch_size=32, collate_fn=collate)
    errors, aucs = [], []
    for batch in tested:
        inputs, target = to_device(batch, "cpu")
        with torch.no_grad():
            predicted, weights = net(inputs, return_attention=True)
        errors.append((predicted - target).abs())
        maps = weights["atom_to_text"].numpy()
        aucs += [_auc(test, len(aucs) + i, one) for i, one in enumerate(maps)]
    mean_error = float((test.labels - train.labels.mean()).abs().mean())
    return Planted(net, tested, float(torch.cat(errors).mean()), mean_error, np.array(aucs))


def forward(net: torch.nn.Module, batch: Any) -> torch.Tensor:
    """Predictions of a batch, as ``probe`` asks for them."""
    return net(to_device(batch, "cpu")[0])


def _auc(data: CrystalTextDataset, position: int, weights: np.ndarray) -> float:
    """Alignment of one padded map (heads, atoms, tokens)."""
    own = own_mentions(data.token_labels(position), data.elements(position))
    if own is None:
        return float("nan")
    atoms, tokens = own.shape
    found = alignment_of(weights[:, :atoms, :tokens].astype(float), own)["alignment_auc"]
    # another cell's description may mention fewer than two of this one's elements
    return float(found.mean()) if np.isfinite(found).all() else float("nan")


def _bare(elements: Sequence[str]) -> tuple[dgl.DGLGraph, dgl.DGLGraph]:
    """Atoms without bonds."""
    nothing = torch.zeros(0, dtype=torch.int32)
    graph = dgl.graph((nothing, nothing), num_nodes=len(elements), idtype=torch.int32)
    features = np.array([get_node_attributes(e, atom_features="cgcnn") for e in elements])
    graph.ndata["atom_features"] = torch.tensor(features, dtype=torch.float32)
    graph.edata["r"] = torch.zeros(0, 3)
    angles = dgl.graph((nothing, nothing), num_nodes=0, idtype=torch.int32)
    angles.edata["h"] = torch.zeros(0)
    return graph, angles


def main(argv: Sequence[str] | None = None) -> int:
    from crysmm_attn_plugin import probe

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=10)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    for shuffled in (False, True):
        for seed in range(asked.seeds):
            found = train_planted(shuffled=shuffled, seed=seed, epochs=asked.epochs)
            print(
                f"{'shuffled' if shuffled else 'own'} descriptions, seed {seed}: MAE {found.error:.3f} (predicting the "
                f"mean {found.mean_error:.3f}), alignment AUC {np.nanmean(found.auc):.3f}",
                flush=True,
            )
            probed = probe(found.net, found.loader, forward=forward, interventions=("own_element",))
            for contrast in probed.contrasts:
                p = contrast.paired
                print(
                    f"    {contrast.name}, {contrast.measure}: {p.mean_difference:+.3f}, interval {p.ci_low:+.3f} to "
                    f"{p.ci_high:+.3f}",
                    flush=True,
                )
            for name, reason in probed.refused.items():
                print(f"    {name}: {reason}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
