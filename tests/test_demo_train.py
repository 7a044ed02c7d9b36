"""Training and the final test loops: what is written, that it can be read back, that a seed decides it."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
import torch
from demo_kit import SMALL, loaders, network, prepared

from crysmm_attn_plugin.demo import train as host
from crysmm_attn_plugin.demo.crystals import DEMO_PROPERTY, load_demo_crystals, read_folder, write_folder
from crysmm_attn_plugin.demo.testing import CHECKPOINTS, predict
from crysmm_attn_plugin.demo.train import train


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    config = dataclasses.replace(SMALL, output_dir=str(tmp_path_factory.mktemp("trained")))
    return train(config, data=prepared())


def _table(path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_checkpoint_loads_without_pickled_code_and_says_what_it_is(outcome) -> None:
    for name in CHECKPOINTS.values():
        stored = torch.load(outcome.output_dir / name, weights_only=True)
        assert {"model", "config", "optimizer", "epoch", "val_mae"} <= set(stored)
        assert 1 <= stored["epoch"] <= SMALL.epochs
        assert stored["config"]["width"] == SMALL.width


def test_predictions_of_each_checkpoint_are_those_of_its_weights_on_the_test_crystals(outcome) -> None:
    net = network(seed=99)
    for which, name in CHECKPOINTS.items():
        net.load_state_dict(torch.load(outcome.output_dir / name, weights_only=True)["model"])
        ids, targets, predictions = predict(net, loaders(SMALL.batch_size).test)
        rows = _table(outcome.output_dir / f"predictions_{which}_test.csv")
        assert [r["id"] for r in rows] == ids == [prepared().crystals[i].id for i in prepared().split["test"]]
        assert [float(r["target"]) for r in rows] == targets.tolist()
        assert [float(r["prediction"]) for r in rows] == predictions.tolist()
        assert outcome.test_mae[which] == pytest.approx(float((predictions - targets).abs().mean()))


def test_history_has_a_row_an_epoch_and_the_best_checkpoints_are_its_minima(outcome) -> None:
    history = json.loads((outcome.output_dir / "history.json").read_text())
    assert [row["epoch"] for row in history] == list(range(1, SMALL.epochs + 1))
    for split in ("val", "test"):
        stored = torch.load(outcome.output_dir / CHECKPOINTS[f"best_{split}"], weights_only=True)
        assert stored[f"{split}_mae"] == min(row[f"{split}_mae"] for row in history)


def test_the_written_configuration_trains_the_same_network_again(outcome, tmp_path) -> None:
    from crysmm_attn_plugin.demo.config import load_config

    again = dataclasses.replace(load_config(outcome.output_dir / "config.json"), output_dir=str(tmp_path))
    train(again, data=prepared())
    for name in ("predictions_last_test.csv", "history.json"):
        assert (tmp_path / name).read_bytes() == (outcome.output_dir / name).read_bytes()


def test_another_seed_trains_another_network(outcome, tmp_path) -> None:
    train(dataclasses.replace(SMALL, random_seed=1, output_dir=str(tmp_path)), data=prepared())
    name = "predictions_last_test.csv"
    assert (tmp_path / name).read_bytes() != (outcome.output_dir / name).read_bytes()


def test_the_host_trains_on_a_folder_of_cif_files(tmp_path, capsys) -> None:
    write_folder(load_demo_crystals().crystals[:20], tmp_path / "data", property="mine")
    config = {"max_neighbors": 4, "width": 8, "heads": 2, "batch_size": 5, "epochs": 1, "test_ratio": 0.3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    places = [
        "--root-dir",
        str(tmp_path / "data"),
        "--property",
        "mine",
        "--output-dir",
        str(tmp_path / "out"),
    ]
    code = host.main(["--config", str(tmp_path / "config.json"), *places, "--no-middle-fusion"])
    assert code == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["test_mae"]) == {"last", "best_val", "best_test"}
    assert len(_table(tmp_path / "out" / "predictions_best_val_test.csv")) == 6


def test_the_export_is_what_the_reader_reads(tmp_path) -> None:
    assert host.main(["--export", str(tmp_path)]) == 0
    found = read_folder(tmp_path, property=DEMO_PROPERTY)
    assert [c.id for c in found.crystals] == [c.id for c in load_demo_crystals().crystals]


def test_a_missing_folder_ends_with_exit_code_two_and_no_traceback(tmp_path, capsys) -> None:
    assert host.main(["--root-dir", str(tmp_path / "nowhere")]) == 2
    assert "no description.csv" in capsys.readouterr().err
