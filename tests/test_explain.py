"""One crystal explained with the reference host's own checkpoint and with another host's, through the real command."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from crysmmnet_kit import Trained, shared_folder, trained
from demo_kit import SMALL, network, settle

from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.demo.crystals import load_demo_crystals, to_cif
from crysmm_attn_plugin.explanation import Explanation, WordMap


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A checkpoint with its configuration, and a CIF file."""
    folder = tmp_path_factory.mktemp("explain")
    torch.save({"model": settle(network()).state_dict(), "epoch": 1}, folder / "model.pt")
    (folder / "config.json").write_text(json.dumps(SMALL.to_dict()))
    crystal = next(c for c in load_demo_crystals().crystals if len(set(c.elements)) > 1)
    (folder / "a.cif").write_text(to_cif(crystal))
    return folder, crystal


@pytest.fixture(scope="module")
def made(given, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    folder, _ = given
    assert (
        main(
            [
                "explain",
                "--checkpoint",
                str(folder / "model.pt"),
                "--cif",
                str(folder / "a.cif"),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    return out


def test_the_three_files_hold_what_the_model_read(given, made) -> None:
    assert sorted(p.name for p in made.iterdir()) == ["explain.html", "explain.json", "explain.png"]
    values = json.loads((made / "explain.json").read_text())
    _, crystal = given
    assert values["text_from"] == "made from the structure by jarvis-tools"
    assert [a.rstrip("0123456789") for a in values["atoms"]] == list(crystal.elements)
    for one in values["maps"]:
        weights = np.array(one["weights"])
        shape = (len(values["atoms"]), len(values["words"]))
        assert weights.shape[1:] == (shape if one["direction"] == "atom_to_text" else shape[::-1])
        assert np.allclose(weights.sum(-1), 1, atol=1e-4)
    assert set(values["pairs"]) == {"atom_to_text", "text_to_atom"}
    assert sum(share for _, share in values["words_ranked"]) == pytest.approx(1, abs=1e-4)
    assert {i["intervention"] for i in values["interventions"]} >= {
        "knock_out_most",
        "uniform",
        "own_element",
        "head",
    }
    assert all(
        i["prediction"] == pytest.approx(values["prediction"], rel=1e-4) for i in values["interventions"]
    )


def test_hostile_text_is_shown_as_text(given, tmp_path, capsys) -> None:
    folder, crystal = given
    text = f'{crystal.formula} <script>alert(1)</script> $x_{{ \u202e & "quoted" is bonded to itself.'
    arguments = ["explain", "--checkpoint", str(folder / "model.pt"), "--cif", str(folder / "a.cif")]
    assert main([*arguments, "--text", text, "--out", str(tmp_path)]) == 0
    content = (tmp_path / "explain.html").read_text()
    assert "<script" not in content
    assert "\u202e" not in content
    assert "given by the user" in content
    assert json.loads((tmp_path / "explain.json").read_text())["text"] == text
    assert capsys.readouterr().out.count("\n") > 3


def test_bad_input_is_one_sentence_and_nothing_is_written(given, tmp_path, capsys) -> None:
    folder, _ = given
    (tmp_path / "broken.cif").write_text("data_x\nloop_\n_atom_site_label\nNa1\n")
    (tmp_path / "lone.pt").write_bytes((folder / "model.pt").read_bytes())
    cif = (folder / "a.cif").read_text().splitlines()
    cif[-1] = cif[-1].rpartition(" ")[0] + " 0.5"
    (tmp_path / "disorder.cif").write_text("\n".join(cif))
    good = {"--checkpoint": folder / "model.pt", "--cif": folder / "a.cif", "--out": tmp_path / "out"}
    for change, words in (
        ({"--checkpoint": tmp_path / "none.pt"}, "does not exist"),
        ({"--cif": tmp_path / "none.cif"}, "does not exist"),
        ({"--cif": tmp_path / "broken.cif"}, "cannot be read as a crystal"),
        ({"--cif": tmp_path / "disorder.cif"}, "disordered"),
        ({"--checkpoint": folder / "a.cif"}, "is no checkpoint but a text file"),
        ({"--checkpoint": tmp_path / "lone.pt"}, "no config.json lies beside"),
        ({"--host-dir": tmp_path}, "holds no known host"),
    ):
        line = [str(v) for pair in {**good, **change}.items() for v in pair]
        assert main(["explain", *line]) == 2
        err = capsys.readouterr().err
        (error,) = [x for x in err.splitlines() if x.startswith("crysmm-attn: error:")]
        assert words in error
        assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(shared_folder(tmp_path_factory))


def test_another_hosts_checkpoint_is_read_through_its_own_functions(
    host, given, tmp_path, monkeypatch
) -> None:
    folder, crystal = given
    line = [
        sys.executable,
        "-m",
        "crysmm_attn_plugin.cli",
        "explain",
        "--checkpoint",
        str(host.checkpoint("full")),
    ]
    line += ["--host-dir", str(host.host), "--cif", str(folder / "a.cif"), "--out", str(tmp_path / "out")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert len(values["atoms"]) == len(crystal.elements)
    assert values["interventions"]


def test_rankings_are_of_the_map() -> None:
    weights = np.array([[[0.5, 0.2, 0.3], [0.5, 0.4, 0.1]]])
    e = Explanation(
        "x", "NaCl", ("Na1", "Cl2"), ("[CLS]", "Na", "salt"), (True, False, False), (True,) * 3, "Na salt", "given", False,
        0.0, (WordMap("m", 0, "atom_to_text", weights),), (), {},
    )  # fmt: skip
    assert [w for w, _ in e.ranked("words", "atom_to_text")] == ["[CLS]", "Na", "salt"]
    assert e.pairs("atom_to_text", 2) == [("Cl2", "Na", 0.4), ("Na1", "salt", 0.3)]
    assert e.ranked("atoms", "text_to_atom") == []
    assert e.spread_of_atoms()[0][0] == "Cl2"
