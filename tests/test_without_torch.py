"""Runs are read and reports written where torch is not installed; what needs it says so."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from page_kit import capture, crystals

ROOT = Path(__file__).resolve().parent.parent
#: As where it is not installed: whatever asks for it does not find it.
WITHOUT = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
from crysmm_attn_plugin.cli import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def without_torch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    for arm, sharpness in (("full", 1.6), ("no_middle", 1.0)):
        capture(folder / "runs", arm, crystals(12), sharpness=sharpness)
    return folder


@pytest.mark.slow
def test_a_whole_report_is_written_and_runs_are_listed(runs: Path) -> None:
    listed = without_torch(runs, "status", "runs")
    assert (listed.returncode, listed.stderr.splitlines()[-1]) == (0, "False"), listed.stderr
    done = without_torch(runs, "report", "runs", "--resamples", "199", "--lang", "en", "--out", "report")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "False"
    for name in (
        "report.html",
        "report.md",
        "result.json",
        "table.docx",
        "samples.parquet",
        "chemiscope.json.gz",
    ):
        assert (runs / "report" / name).stat().st_size > 60, name


def test_a_command_that_needs_it_says_how_to_get_it(tmp_path: Path) -> None:
    done = without_torch(tmp_path, "demo", "--out", "demo")
    assert done.returncode != 0
    assert "torch" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_torch_is_asked_for_by_what_runs_beside_a_model_alone() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "torch" not in config["options"]["install_requires"]
    extras = config["options.extras_require"]
    assert all("torch>=" in extras[name] for name in ("capture", "demo", "test"))
