"""What a captured run hands to the tools people have: pandas, xarray, chemiscope."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from page_kit import Crystal, crystals, two_arms

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.records import AttentionMap, TokenLabels
from crysmm_attn_plugin.reports.comparison import Comparison

CHOSEN = (
    *crystals(9),
    Crystal("no-cell", ("Zn", "S"), structure=False),
    Crystal("no-text", ("Fe", "O"), labelled=False),
)
HEADS = 3


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return two_arms(tmp_path_factory.mktemp("handover") / "runs", CHOSEN, heads=HEADS, both=True)


@pytest.fixture(scope="module")
def run(comparison: Comparison) -> attn.Run:
    return attn.open_run(comparison.run("full").path)


def test_samples_are_a_frame_with_a_row_per_crystal(run: attn.Run) -> None:
    frame = run.samples
    assert isinstance(frame, pd.DataFrame)
    assert frame["id"].tolist() == [c.id for c in CHOSEN]
    assert frame["n_atoms"].tolist() == [len(c.elements) for c in CHOSEN]
    assert frame["formula"].tolist() == [c.shown_formula for c in CHOSEN]
    assert frame[["target", "prediction"]].dtypes.tolist() == [np.float64, np.float64]


def test_attention_is_a_tidy_frame_that_joins_the_samples_by_id(run: attn.Run) -> None:
    frame = run.attention
    assert len(frame) == len(CHOSEN) * 2 * HEADS
    assert not frame.duplicated(["checkpoint", "crystal", "direction", "head"]).any()
    joined = frame.merge(run.samples, left_on=["checkpoint", "crystal"], right_on=["checkpoint", "id"])
    assert len(joined) == len(frame)
    wide = frame.pivot_table("entropy", "crystal", ["direction", "head"])
    assert wide.shape == (len(CHOSEN), 2 * HEADS)
    assert wide.notna().all(axis=None)


@pytest.mark.parametrize("direction", ["atom_to_text", "text_to_atom"])
def test_a_map_is_an_array_with_named_dimensions_and_labels(run: attn.Run, direction: str) -> None:
    crystal = CHOSEN[1]
    labels = crystal.labels()
    array = run.maps(crystal.id, direction=direction).to_xarray()
    order = ("head", "atom", "token") if direction == "atom_to_text" else ("head", "token", "atom")
    assert isinstance(array, xr.DataArray)
    assert array.dims == order
    assert array["atom"].values.tolist() == ["Sr1", "Ti2", "O3", "O4", "O5"]
    assert array["element"].values.tolist() == list(crystal.elements)
    assert tuple(array["token"].values) == labels.tokens
    assert array["special"].values.tolist() == list(labels.special)
    np.testing.assert_allclose(array.sum(order[2]), 1, atol=2e-3)
    assert (array.attrs["id"], array.attrs["direction"]) == (crystal.id, direction)
    np.testing.assert_array_equal(
        array.transpose(*order).values, run.maps(crystal.id, direction=direction).weights
    )


def test_atoms_and_elements_are_chosen_by_name(run: attn.Run) -> None:
    crystal = CHOSEN[1]
    array = run.maps(crystal.id).to_xarray()
    np.testing.assert_array_equal(array.sel(atom="Ti2").values, array.values[:, 1])
    oxygen = array.groupby("element").mean().sel(element="O")
    np.testing.assert_allclose(
        oxygen.transpose("head", "token").values, array.values[:, 2:].mean(1), rtol=1e-5
    )


def test_tokens_add_up_to_the_words_of_the_description() -> None:
    labels = TokenLabels(
        ("[CLS]", "Na", "##Cl", "is", "cubic", "[SEP]"),
        (-1, 0, 0, 1, 2, -1),
        (True, *[False] * 4, True),
        "NaCl is cubic",
    )
    weights = np.float32([[[0.1, 0.2, 0.3, 0.1, 0.2, 0.1], [0.0, 0.5, 0.0, 0.25, 0.25, 0.0]]])
    found = AttentionMap("c", "d", "m", 0, "atom_to_text", weights, ("Na", "Cl"), labels)
    words = found.to_xarray().groupby("word").sum()
    assert words.sel(word="NaCl", atom="Na1").item() == pytest.approx(0.5)
    assert words.sel(word="cubic", atom="Cl2").item() == pytest.approx(0.25)
    assert set(words["word"].values) == {"[CLS]", "NaCl", "is", "cubic", "[SEP]"}


def test_a_map_without_token_labels_has_numbered_tokens(run: attn.Run) -> None:
    array = run.maps("no-text").to_xarray()
    assert array["token"].values.tolist() == [str(i) for i in range(12)]
    assert "word" not in array.coords


@pytest.mark.parametrize("crystal", [CHOSEN[0], CHOSEN[-1]], ids=lambda c: c.id)
def test_a_map_survives_the_way_through_json(run: attn.Run, crystal: Crystal) -> None:
    array = run.maps(crystal.id).to_xarray()
    back = xr.DataArray.from_dict(json.loads(json.dumps(array.to_dict())))
    xr.testing.assert_allclose(back, array)
    assert back.attrs == array.attrs
    assert back.name == "attention"
    assert back["atom"].values.tolist() == array["atom"].values.tolist()


def test_maps_of_both_arms_line_up_by_label(comparison: Comparison) -> None:
    arrays = {arm: comparison.maps(CHOSEN[0].id, arm).to_xarray() for arm in comparison.arms}
    difference = arrays["full"] - arrays["no_middle"]
    np.testing.assert_allclose(difference.sum("token"), 0, atol=4e-3)
    both = xr.concat(list(arrays.values()), pd.Index(list(arrays), name="arm"))
    assert both.dims == ("arm", "head", "atom", "token")


def test_the_chemiscope_data_set_holds_every_crystal_with_a_structure(
    comparison: Comparison, tmp_path: Path
) -> None:
    out = comparison.write(tmp_path / "report", formats=["chemiscope", "samples"])
    dataset = json.loads(gzip.decompress((out / "chemiscope.json.gz").read_bytes()))
    with_cell = [c for c in CHOSEN if c.structure]
    assert len(dataset["structures"]) == len(with_cell)
    by_id = {c.id: c for c in with_cell}
    ids = dataset["properties"]["id"]["values"]
    assert sorted(ids) == sorted(by_id)
    for crystal, structure in zip(ids, dataset["structures"]):
        elements = by_id[crystal].elements
        assert structure["names"] == list(elements)
        assert (
            structure["size"]
            == len(structure["x"])
            == len(structure["y"])
            == len(structure["z"])
            == len(elements)
        )
        assert structure["cell"] == [4.0, 0, 0, 0, 4.5, 0, 0, 0, 5.0]
    frame = pd.read_parquet(out / "samples.parquet").set_index("id")
    for name, entry in dataset["properties"].items():
        assert entry["target"] == "structure"
        assert len(entry["values"]) == len(with_cell), name
    for column in ("entropy.full", "entropy.no_middle", "target", "abs_error.full"):
        assert dataset["properties"][column]["values"] == pytest.approx(frame.loc[ids, column].tolist())
    assert dataset["meta"]["name"]


@pytest.mark.parametrize("formats", [["markdown"], ["markdown", "figures"]], ids=["alone", "with_figures"])
def test_every_picture_that_the_markdown_report_links_to_is_there(
    comparison: Comparison, tmp_path: Path, formats: list[str]
) -> None:
    out = comparison.write(tmp_path / "report", formats=formats, lang=["en"])
    text = (out / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert bool(links) == ("figures" in formats)
    assert all((out / link).is_file() for link in links)
    assert "## Figures" in text


def test_samples_of_a_comparison_are_the_file_of_the_report(comparison: Comparison, tmp_path: Path) -> None:
    out = comparison.write(tmp_path / "report", formats=["samples"])
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "samples.parquet"), comparison.samples, check_dtype=False
    )


def test_the_result_of_a_report_is_read_back_as_the_object_it_was(
    comparison: Comparison, tmp_path: Path
) -> None:
    from crysmm_attn_plugin.stats.results import ComparisonResult

    out = comparison.write(tmp_path / "report", formats=["json"])
    values = json.loads((out / "result.json").read_text(encoding="utf-8"))
    back = ComparisonResult.from_dict(values)
    assert back.to_dict() == comparison.result.to_dict()
    assert back.pairs[0].metric("entropy").paired.mean_difference == pytest.approx(
        comparison.result.pairs[0].metric("entropy").paired.mean_difference
    )
