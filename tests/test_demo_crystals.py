"""The shipped crystals are real, whole and distinct, and survive a trip through CIF files."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ase.data import atomic_numbers, covalent_radii

from crysmm_attn_plugin.demo.build_crystals import packing_fraction
from crysmm_attn_plugin.demo.crystals import (
    DATA_FILE,
    Crystal,
    load_demo_crystals,
    read_folder,
    to_cif,
    write_folder,
)
from crysmm_attn_plugin.demo.wording import describe_crystal
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Structure

CRYSTALS = load_demo_crystals().crystals


def _salt() -> Crystal:
    lattice = ((0.0, 2.82, 2.82), (2.82, 0.0, 2.82), (2.82, 2.82, 0.0))
    return Crystal("salt", Structure(lattice, ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)), ("Na", "Cl")), "text", 1.5)


def test_more_than_three_hundred_crystals_ship_in_a_small_file() -> None:
    from importlib import resources

    size = len(resources.files("crysmm_attn_plugin.demo").joinpath(DATA_FILE).read_bytes())
    assert len(CRYSTALS) >= 300
    assert size < 1_500_000


def test_ids_are_unique_and_safe_as_file_names_on_any_system() -> None:
    ids = [c.id.lower() for c in CRYSTALS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{1,80}", c.id) for c in CRYSTALS)


def test_every_structure_is_a_possible_crystal() -> None:
    for crystal in CRYSTALS:
        lattice = np.array(crystal.structure.lattice)
        coords = np.array(crystal.structure.frac_coords)
        assert coords.shape == (len(crystal.elements), 3)
        assert 1 <= len(crystal.elements) <= 40
        assert 3 < abs(np.linalg.det(lattice)) / len(crystal.elements) < 115, crystal.id
        images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
        apart = (coords[:, None, None] - coords[None, :, None] + images[None, None]) @ lattice
        distance = np.linalg.norm(apart, axis=-1)
        assert np.sort(distance[distance > 1e-9])[0] > 0.7, crystal.id


def test_no_two_crystals_are_the_same_cell_of_the_same_elements() -> None:
    keys = [
        (tuple(sorted(c.elements)), round(abs(np.linalg.det(np.array(c.structure.lattice))), 2))
        for c in CRYSTALS
    ]
    assert len(set(keys)) == len(keys)


def test_the_target_is_the_packing_fraction_of_the_shipped_structure() -> None:
    for crystal in CRYSTALS[::10]:
        radii = [covalent_radii[atomic_numbers[e]] for e in crystal.elements]
        spheres = sum(4 / 3 * np.pi * r**3 for r in radii)
        volume = abs(np.linalg.det(np.array(crystal.structure.lattice)))
        assert crystal.target == pytest.approx(100 * spheres / volume, rel=1e-4)
        assert packing_fraction(crystal.atoms()) == pytest.approx(crystal.target, rel=1e-4)


def test_no_text_states_its_target_or_the_word_for_it() -> None:
    for crystal in CRYSTALS:
        numbers = {float(n) for n in re.findall(r"\d+\.\d+", crystal.text)}
        for stated in (crystal.target, crystal.target / 100):
            assert not any(abs(n - stated) < 1e-4 * stated for n in numbers), crystal.id
        assert "packing" not in crystal.text
        assert "density" not in crystal.text


def test_every_text_speaks_of_symmetry_coordination_distances_and_its_elements() -> None:
    for crystal in CRYSTALS:
        words = set(re.findall(r"[A-Z][a-z]?(?![a-z])", crystal.text))
        assert set(crystal.elements) <= words, crystal.id
        for phrase in ("space group", "bonded to", "Å", "lattice lengths"):
            assert phrase in crystal.text, crystal.id


def test_the_shipped_text_is_what_the_wording_says_today() -> None:
    for crystal in CRYSTALS[5:300:60]:
        name = re.search(r", known as (.*?), crystallizes", crystal.text)
        assert describe_crystal(crystal.atoms(), name=name.group(1) if name else "") == crystal.text


def test_rock_salt_is_described_as_octahedral() -> None:
    text = describe_crystal(_salt().atoms(), name="Halite")
    assert "Na is bonded to six Cl atoms in an octahedral arrangement" in text
    assert "cubic Fm-3m space group (number 225)" in text


def test_source_and_licences_are_in_the_data_file() -> None:
    notice = load_demo_crystals().source
    for words in ("MIT licence", "AFLOW", "pymatgen 20", "10.1016/j.commatsci.2017.01.017", "ASE"):
        assert words.lower() in " ".join(notice.split()).lower()


def test_crystals_survive_writing_and_reading_as_cif(tmp_path) -> None:
    chosen = CRYSTALS[::9]
    write_folder(chosen, tmp_path, property="packing_fraction")
    back = read_folder(tmp_path, property="packing_fraction").crystals
    assert [c.id for c in back] == [c.id for c in chosen]
    for ours, theirs in zip(chosen, back):
        assert theirs.elements == ours.elements
        assert theirs.text == ours.text
        assert theirs.target == ours.target
        a, b = ours.atoms(), theirs.atoms()
        np.testing.assert_allclose(b.lattice.abc, a.lattice.abc, atol=1e-5)
        np.testing.assert_allclose(b.lattice.angles, a.lattice.angles, atol=1e-4)
        apart = np.abs(np.array(a.frac_coords) - np.array(b.frac_coords))
        assert np.minimum(apart, 1 - apart).max() < 1e-6


def test_texts_with_commas_quotes_and_newlines_survive_the_table(tmp_path) -> None:
    awkward = Crystal("salt", _salt().structure, 'a, "b"\nÅ c', 1.5)
    write_folder([awkward], tmp_path)
    assert read_folder(tmp_path, property="packing_fraction").crystals[0].text == awkward.text


def test_a_cif_lists_every_atom_in_node_order() -> None:
    lines = [line.split() for line in to_cif(_salt()).splitlines() if line.startswith((" Na", " Cl"))]
    assert [line[1] for line in lines] == ["Na1", "Cl1"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "description.csv").unlink(), "no description.csv"),
        (lambda d: (d / "cif" / "salt.cif").unlink(), "line 2"),
        (lambda d: (d / "cif" / "salt.cif").write_text("nonsense"), "cannot be read"),
        (lambda d: (d / "description.csv").write_text("id,composition\nsalt,NaCl\n"), "columns"),
        (lambda d: (d / "description.csv").write_text("id,composition\n"), "lists no crystals"),
    ],
)
def test_a_broken_folder_is_refused_naming_the_place(tmp_path, spoil, words) -> None:
    spoil(write_folder([_salt()], tmp_path))
    with pytest.raises(UsageError, match=words):
        read_folder(tmp_path, property="packing_fraction")
