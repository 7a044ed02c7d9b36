"""The shipped crystals are real, whole and distinct, and survive a trip through CIF files."""

from __future__ import annotations

import re

import numpy as np
import pytest

from crysmm_attn_plugin.demo.crystals import (
    DATA_FILE,
    DEMO_PROPERTY,
    Crystal,
    load_demo_crystals,
    read_folder,
    to_cif,
    write_folder,
)
from crysmm_attn_plugin.demo.target import powder_lines, target_of
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


def test_the_target_is_the_number_of_powder_lines_of_the_shipped_structure() -> None:
    for crystal in CRYSTALS[::10]:
        assert crystal.target == pytest.approx(target_of(crystal.structure), abs=6e-4)
    assert all(0 < c.target < 10 for c in CRYSTALS)


@pytest.mark.parametrize(("name", "lattice", "angles"), [
    # as tabulated for Cu K alpha: Swanson and Tatge, NBS Circular 539 I (gold, halite), Davey 1925 (iron)
    ("Au_fcc", 4.0786, (38.184, 44.392, 64.576, 77.547, 81.721)),
    ("Fe_bcc", 2.8664, (44.673, 65.021, 82.332)),
    ("NaCl_halite", 5.6402, (27.33, 31.69, 45.45, 53.85, 56.47, 66.22, 73.06, 75.28, 83.97)),
])  # fmt: skip
def test_known_crystals_have_the_lines_of_their_powder_cards(name, lattice, angles) -> None:
    crystal = next(c for c in CRYSTALS if c.id == name)
    assert powder_lines(crystal.structure) == len(angles)
    # the card's own angles follow from the lattice constant, so that these are the lines that are counted
    spacing = lattice * 2 * np.sin(np.radians(np.array(angles) / 2)) / 1.5406
    assert np.allclose(spacing**2, np.round(spacing**2), atol=0.02)


def test_a_larger_cell_or_another_setting_of_the_same_crystal_has_the_same_lines() -> None:
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    for crystal in CRYSTALS[3::80]:
        lattice, coords = np.array(crystal.structure.lattice), np.array(crystal.structure.frac_coords)
        double = np.concatenate([coords * [1, 0.5, 1], coords * [1, 0.5, 1] + [0, 0.5, 0]])
        change = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
        same = [
            ((lattice * np.array([[1], [2], [1]])), double, crystal.elements * 2),
            (lattice @ turned, coords, crystal.elements),
            (change @ lattice, coords @ np.linalg.inv(change) + 0.25, crystal.elements),
        ]
        for cell, places, elements in same:
            other = Structure(tuple(map(tuple, cell)), tuple(map(tuple, places)), elements)
            assert powder_lines(other) == powder_lines(crystal.structure), crystal.id


def test_no_text_states_its_target_or_speaks_of_diffraction() -> None:
    for crystal in CRYSTALS:
        numbers = {float(n) for n in re.findall(r"\d+\.\d{3,}", crystal.text)}
        assert round(crystal.target, 3) not in numbers, crystal.id
        for word in ("diffraction", "powder", "pattern", "line ", "lines", "reflection", "Bragg"):
            assert word not in crystal.text, crystal.id


def test_what_the_texts_state_does_not_fix_the_target() -> None:
    """The same space group and number of atoms come with different targets."""
    stated: dict[str, set[float]] = {}
    for crystal in CRYSTALS:
        group = re.search(r"number (\d+)\)", crystal.text)
        assert group
        stated.setdefault(f"{group.group(1)}/{len(crystal.elements)}", set()).add(crystal.target)
    assert sum(len(values) > 1 for values in stated.values()) >= 10


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
    write_folder(chosen, tmp_path, property=DEMO_PROPERTY)
    back = read_folder(tmp_path, property=DEMO_PROPERTY).crystals
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
    assert read_folder(tmp_path, property=DEMO_PROPERTY).crystals[0].text == awkward.text


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
        read_folder(tmp_path, property=DEMO_PROPERTY)
