"""``crysmm-attn demo`` as a real process, and the study behind it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from demo_kit import SMALL

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo import requirements
from crysmm_attn_plugin.demo.study import ARMS, Progress, claim_folder, config_digest, run_study
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.stats import compare_paired

ROOT = Path(__file__).resolve().parent.parent
SEED_FILES = [
    "attention_statistics_comparison.png",
    "attention_statistics.csv",
    *(f"attention_heatmap_example_{i}.png" for i in (1, 2, 3)),
]


def _demo(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", "demo", *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=540,
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    return folder, _demo("--quick", "--out", "demo", cwd=folder)


@pytest.mark.slow
def test_quick_demo_ends_in_a_report_with_the_five_files(quick) -> None:
    folder, done = quick
    assert done.returncode == 0, done.stderr
    report = folder / "demo" / "report"
    for name in (*SEED_FILES, "report.html", "result.json", "paragraphs.en.md", "paragraphs.zh.md"):
        assert (report / name).stat().st_size > 0, name


@pytest.mark.slow
def test_quick_demo_prints_verdict_errors_metrics_and_where_to_look(quick) -> None:
    folder, done = quick
    result = json.loads((folder / "demo" / "report" / "result.json").read_text())
    pair = result["pairs"][0]
    assert f"Verdict: {pair['verdict']}." in done.stdout
    assert f"{pair['n']} test crystals" in done.stdout
    assert pair["n"] >= 30
    assert f"{pair['performance']['mae_arm']:.2f}" in done.stdout
    for metric in ("entropy", "max_weight", "effective_tokens_hill", "gini"):
        assert f"\n{metric} " in done.stdout
    assert "--quick" in done.stdout
    assert "report.html" in done.stdout
    assert "Traceback" not in done.stderr
    assert "\r" not in done.stderr, "progress bars belong on terminals"


@pytest.mark.slow
def test_the_model_learns_something_even_in_the_quick_demo(quick) -> None:
    """Its errors are smaller than the mean predictor's on the same crystals, by more than chance."""
    folder, _ = quick
    for arm in ARMS:
        trained = folder / "demo" / "training" / arm / "seed0"
        results = json.loads((trained / "results.json").read_text())
        assert results["test_mae"]["best_val"] < 0.8 * results["mean_predictor_mae"]
        table = pd.read_csv(trained / "predictions_best_val_test.csv")
        errors = (table["prediction"] - table["target"]).abs()
        # the best constant for these very crystals, which no predictor knows
        constant = (table["target"] - table["target"].median()).abs()
        assert compare_paired(errors, constant).ci_high < 0


@pytest.mark.slow
def test_runs_know_their_seed_property_unit_and_configuration(quick) -> None:
    folder, _ = quick
    for arm, layers in ARMS.items():
        run = attn.open_run(folder / "demo" / "runs" / arm)
        assert run.state == "complete"
        assert (run.info["host_seed"], run.info["property"], run.info["unit"]) == (
            0,
            "powder_lines",
            "octaves",
        )
        assert run.info["host_config"]["middle_fusion_layers"] == list(layers)
        assert run.checkpoint().role.startswith("best_val")


@pytest.mark.slow
def test_the_same_command_again_uses_the_finished_runs_and_replaces_the_report(quick) -> None:
    folder, first = quick
    (folder / "demo" / "report" / "result.json").write_text("{}")
    again = _demo("--quick", "--out", "demo", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("complete on disk, used again") == 2
    assert again.stdout == first.stdout
    assert json.loads((folder / "demo" / "report" / "result.json").read_text())["pairs"]


def test_a_folder_with_other_files_is_refused(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = _demo("--quick", "--out", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "no earlier demo wrote" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(requirements._NEEDED, "a_module_that_is_not_there", "a-package")
    with pytest.raises(UsageError, match=r"a-package.*pip install \"crysmm-attn\[demo\]\""):
        requirements.require_demo_packages()


def test_every_package_the_demo_asks_for_is_in_its_extra() -> None:
    import configparser

    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    extra = parser["options.extras_require"]["demo"]
    assert all(name in extra for name in requirements._NEEDED.values())


def test_a_study_takes_up_where_it_stopped(tmp_path) -> None:
    config = dataclasses.replace(SMALL, epochs=1)
    root = claim_folder(tmp_path / "study")
    seen: list[tuple[str, str, int]] = []
    progress = Progress(
        started=lambda arm, seed, epochs: seen.append(("trained", arm, seed)),
        reused=lambda arm, seed: seen.append(("reused", arm, seed)),
    )
    run_study(root, config, seeds=(0,), progress=progress)
    # A run whose manifest is gone is not complete: it is trained again, under another id.
    [captured] = (root / "runs" / "full").iterdir()
    (captured / "manifest.json").unlink()
    seen.clear()
    runs = run_study(root, config, seeds=(0, 1), progress=progress)
    assert seen == [
        ("trained", "full", 0),
        ("reused", "no_middle", 0),
        ("trained", "full", 1),
        ("trained", "no_middle", 1),
    ]
    assert [(r.arm, r.seed) for r in runs] == [(a, s) for a in ARMS for s in (0, 1)]
    assert len(list((root / "runs" / "full").iterdir())) == 3
    shutil.rmtree(root / "runs")
    seen.clear()
    run_study(root, config, seeds=(0,), progress=progress)
    assert [what for what, *_ in seen] == ["trained", "trained"]


def test_a_study_trains_the_same_weights_for_a_seed_anywhere(tmp_path) -> None:
    config = dataclasses.replace(SMALL, epochs=1)
    states = []
    for name in ("one", "two"):
        [run] = run_study(claim_folder(tmp_path / name), config, arms={"full": (1,)})
        states.append(torch.load(Path(run.output_dir) / "last_model.pt", weights_only=True)["model"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_digest_of_a_training_follows_what_decides_it_and_nothing_else() -> None:
    base = config_digest(SMALL)
    assert base == config_digest(dataclasses.replace(SMALL, output_dir="elsewhere", cache_dir="there"))
    for change in ({"random_seed": 1}, {"epochs": 9}, {"middle_fusion_layers": ()}, {"split_seed": 1}):
        assert config_digest(dataclasses.replace(SMALL, **change)) != base
