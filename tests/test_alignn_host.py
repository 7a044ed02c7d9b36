"""PyPI alignn's own trainer with a model that reads text, in real processes: the flag in its config is all it takes."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo.crystals import load_demo_crystals

SCRIPT = Path(__file__).parent / "hosts" / "text_alignn.py"
CONFIG = {
    "middle_fusion": True, "counts": [24, 6, 14], "random_seed": 1, "batch_size": 8, "epochs": 1, "n_train": 24, "n_val": 6,
    "n_test": 14, "target": "target", "dataset": "user_data", "learning_rate": 0.003, "compute_line_graph": True,
    "use_lmdb": False, "write_predictions": True,
    "model": {
        "name": "alignn_atomwise", "calculate_gradient": False, "output_features": 1, "atomwise_weight": 0.0,
        "gradwise_weight": 0.0, "stresswise_weight": 0.0, "atomwise_output_features": 0,
    },
}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("alignn") is None, reason="alignn is not installed"),
]


def start(folder: Path, name: str, **changes: object) -> subprocess.Popen[str]:
    """The host's own command, with nothing of ours but what its config says."""
    config = {**CONFIG, "output_dir": str(folder / f"out_{name}"), **changes}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN")}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> str:
    """Standard error of a process that succeeded."""
    _, err = process.communicate(timeout=540)
    assert process.returncode == 0, err[-2000:]
    return err


def predictions(folder: Path, name: str) -> bytes:
    return (folder / f"out_{name}" / "prediction_results_test_set.csv").read_bytes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Three trainings: the full arm without the key, with it, then the other arm with a table of settings."""
    started_by_site = subprocess.run(
        [sys.executable, "-c", "import sys; print('crysmm_attn_plugin.startup' in sys.modules)"],
        capture_output=True, text=True, check=True, env={k: v for k, v in os.environ.items() if k != "CRYSMM_ATTN_ENABLED"},
    )  # fmt: skip
    if started_by_site.stdout.strip() != "True":
        pytest.skip("the package is not installed, so the start-up file is not there")
    folder = tmp_path_factory.mktemp("alignn")
    first = (
        start(folder, "plain"),
        start(folder, "full", crysmm_attn={"out_dir": str(folder / "runs"), "arm": "full"}),
    )
    said = {"plain": ended(first[0]), "full": ended(first[1])}
    table = {"out_dir": str(folder / "runs"), "arm": "no_middle"}
    said["no_middle"] = ended(start(folder, "no_middle", middle_fusion=False, crysmm_attn=table))
    return folder, said


def test_without_the_key_nothing_is_captured_and_nothing_is_said(trained):
    _, said = trained
    assert "crysmm-attn" not in said["plain"]


def test_predictions_are_the_same_bytes_with_the_flag(trained):
    folder, _ = trained
    assert predictions(folder, "plain") == predictions(folder, "full")


def test_the_first_arm_says_what_to_run_and_the_second_makes_the_report(trained):
    folder, said = trained
    assert "for a comparison" in said["full"]
    assert "report.html" in said["no_middle"]
    assert (folder / "runs" / "report" / "report.html").exists()
    assert (folder / "runs" / "report" / "attention_statistics.csv").exists()


def test_ids_elements_tokens_and_predictions_are_the_hosts(trained):
    folder, _ = trained
    run = attn.open_run(folder / "runs" / "full")
    with (folder / "out_full" / "prediction_results_test_set.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    captured = run.samples.set_index("id")
    assert set(captured.index) == {r["id"] for r in rows}
    crystals = {c.id: c for c in load_demo_crystals().crystals}
    for crystal_id in captured.index:
        assert tuple(run.crystals.loc[crystal_id, "elements"]) == crystals[crystal_id].elements
        labels = run.token_labels(crystal_id)
        assert labels is not None
        assert labels.tokens[0] == "[CLS]"
    for row in rows:
        found = captured.loc[[row["id"]], "prediction"].to_numpy()
        assert min(abs(found - float(row["prediction"]))) < 1e-4


def test_the_pass_without_eval_is_marked(trained):
    folder, _ = trained
    run = attn.open_run(folder / "runs" / "full")
    assert "training_mode" in {a.code for a in run.alarms}
    assert len(run.windows) == 2, "its two test passes have different weights"


def test_the_hosts_strict_config_never_sees_the_key(trained):
    folder, _ = trained
    stored = json.loads((folder / "out_full" / "config.json").read_text())
    assert "crysmm_attn" not in stored
