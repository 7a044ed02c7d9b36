"""What should change nothing in a map: equivalent sites, supercells, the order of sentences, a word that says nothing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from demo_kit import SMALL, network, settle

from crysmm_attn_plugin.demo.crystals import Crystal, load_demo_crystals
from crysmm_attn_plugin.demo.single import forward, load_single
from crysmm_attn_plugin.explanation import Explanation, WordMap
from crysmm_attn_plugin.probing.one_crystal import explain
from crysmm_attn_plugin.probing.tracking import (
    equivalent_sites,
    shuffled,
    sites_agree,
    supercell,
    texts_agree,
    track,
)


def _of(weights: np.ndarray, words: tuple[str, ...]) -> Explanation:
    n = weights.shape[1]
    return Explanation(
        "x", "X", tuple(map(str, range(n))), words, (False,) * len(words), (True,) * len(words), " ".join(words), "given",
        False, 0.0, (WordMap("m", 0, "atom_to_text", weights),), (), {},
    )  # fmt: skip


def test_numbers_are_total_variation() -> None:
    weights = np.array([[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]])
    found = sites_agree(_of(weights, ("a", "b")), np.array([0, 0, 2]))
    assert (found.distance, found.worst, found.n, found.alike) == (0.5, 0.5, 1, False)
    other = texts_agree(_of(weights, ("a", "b")), _of(weights[..., ::-1], ("b", "a")), "order")
    assert other.distance == 0
    assert other.alike
    assert not sites_agree(_of(weights, ("a", "b")), np.arange(3)).alike


def test_symmetry_and_supercells_of_a_known_crystal() -> None:
    salt = next(c for c in load_demo_crystals().crystals if sorted(set(c.elements)) == ["Cl", "Na"])
    orbits = equivalent_sites(salt.structure)
    assert len(set(orbits)) == 2
    big, parents = supercell(salt.structure, (2, 1, 1))
    assert len(big.elements) == 2 * len(salt.elements) == len(parents)
    assert len(set(equivalent_sites(big))) == 2
    assert all(big.elements[i] == salt.elements[p] for i, p in enumerate(parents))
    assert shuffled("A b. C d. E f.", 1).endswith(".")
    assert sorted(shuffled("A b. C d. E f.").replace(".", "").split()) == sorted("A b C d E f".split())


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracking")
    torch.save({"model": settle(network()).state_dict()}, folder / "model.pt")
    config = dataclasses.replace(SMALL, cache_dir=str(folder / "cache"))
    (folder / "config.json").write_text(json.dumps(config.to_dict()))

    def one(structure, text) -> Explanation:
        net, loader = load_single(folder / "model.pt", Crystal("x", structure, text, 0.0))
        return explain(net, loader, forward, text_from="given", interventions=("uniform",))

    return one


def test_the_reference_hosts_model_reads_equivalent_sites_and_supercells_alike(read) -> None:
    crystal = next(c for c in load_demo_crystals().crystals if sorted(set(c.elements)) == ["Cl", "Na"])
    found = {a.what: a for a in track(read, crystal.structure, crystal.text)}
    assert found["supercell"].alike
    assert found["supercell"].n > 0
    assert found["equivalent sites"].n == 0 or found["equivalent sites"].alike
    assert 0 < found["shuffled sentences"].distance < 1  # the text model reads words in their places
    assert found["a token that means nothing"].distance < found["shuffled sentences"].distance


def test_equivalent_sites_of_a_crystal_with_several_read_alike(read) -> None:
    several = (c for c in load_demo_crystals().crystals if len(c.elements) <= 8)
    crystal = next(c for c in several if len(set(equivalent_sites(c.structure))) < len(c.elements))
    found = sites_agree(read(crystal.structure, crystal.text), equivalent_sites(crystal.structure))
    assert found.n > 0
    assert found.alike, found
