"""Both arms of the CrysMMNet-like host trained once, through the real command line, for all tests that look at them."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from process_kit import ROOT, command_line

from crysmm_attn_plugin.demo.crystals import Crystal, load_demo_crystals, write_folder

HOST = Path(__file__).resolve().parent / "hosts" / "crysmmnet_like"
ARMS = ("full", "no_middle")
PROPERTY = "mbj_bandgap"
EPOCHS = 4
#: Long and odd enough for the tokenizer's limit and the host's own mapping of characters.
LONG_TEXT = "The Å–Å distance is 2.4 Å. " * 120


@dataclass(frozen=True)
class Said:
    """How one command line ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an expected error."""
        (line,) = [line for line in self.lines if line.startswith("crysmm-attn: error:")]
        return line

    @property
    def lines(self) -> list[str]:
        """What this project wrote to stderr."""
        return [line for line in self.err.splitlines() if line.startswith("crysmm-attn")]


@dataclass
class Trained:
    """What is on disk after both arms.

    Attributes:
        host: The host's folder, a copy, so that nothing is written beside the tests.
        data: Root of the data set.
        runs: Folder of captured runs, with the report that was made at the end.
        done: How each arm's ``crysmm-attn run`` ended.
    """

    host: Path
    data: Path
    runs: Path
    done: dict[str, Said] = field(default_factory=dict)

    def output(self, arm: str) -> Path:
        """Where the host put an arm's checkpoints and predictions."""
        return self.host.parent / f"output_{arm}" / PROPERTY

    def checkpoint(self, arm: str, name: str = "best_val_model.pt") -> Path:
        return self.output(arm) / name


def host_words(trained: Trained, arm: str, out: Path, **changes: object) -> list[str]:
    """The host's own command for an arm."""
    options = {
        "root_dir": trained.data, "dataset": "jarvis", "property": PROPERTY, "train_ratio": 0.6, "val_ratio": 0.1,
        "test_ratio": 0.3, "batch_size": 16, "epochs": EPOCHS, "learning_rate": 0.05, "random_seed": 0,
        "use_middle_fusion": arm == "full", "output_dir": out, **changes,
    }  # fmt: skip
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "train_with_cross_modal_attention.py", *words]


@lru_cache(maxsize=1)
def crystals() -> tuple[Crystal, ...]:
    """The crystals of the data set, as they were before they became files; one has a text beyond the limit."""
    small = [c for c in load_demo_crystals().crystals if len(c.elements) <= 16][:80]
    return tuple(
        dataclasses.replace(c, text=c.text + LONG_TEXT) if i % 20 == 0 else c for i, c in enumerate(small)
    )


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that every worker of this test session sees; pytest removes it in time."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "crysmmnet_like"


def once(folder: Path, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """What ``make`` leaves in ``folder/name`` and returns (JSON), made by whichever worker comes first.

    Returns:
        The folder that was made, and what was returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made, result = folder / name, folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            shutil.rmtree(made, ignore_errors=True)  # of an attempt that failed
            made.mkdir()
            result.write_text(json.dumps(make(made)), encoding="utf-8")
    return made, json.loads(result.read_text(encoding="utf-8"))


def _prepare(root: Path) -> None:
    write_folder(crystals(), root / "data", property=PROPERTY)
    shutil.copytree(HOST, root / "host", ignore=shutil.ignore_patterns("__pycache__"))


def prepared(folder: Path) -> Trained:
    """The host's folder and its data set, nothing trained."""
    root, _ = once(folder, "prepared", _prepare)
    return Trained(root / "host", root / "data", root / "runs")


def trained(folder: Path) -> Trained:
    """Both arms trained and captured, every epoch kept."""
    found = prepared(folder)

    def train(_: Path) -> dict[str, Any]:
        done = {}
        for arm in ARMS:
            words = host_words(found, arm, found.output(arm).parent)
            flags = ("--out", str(found.runs), "--windows", "all", "--maps", "3")
            ended = command_line(
                found.host, "run", "--arm", arm, *flags, "--", *words, CRYSMM_ATTN_REPORT_LANG="en"
            )
            done[arm] = [ended.returncode, ended.stdout, ended.stderr]
        return done

    found.done = {arm: Said(*ended) for arm, ended in once(folder, "trained", train)[1].items()}
    return found


def ids_tested(output: Path, which: str = "best_val_model") -> list[str]:
    """Ids of the test crystals in the host's own prediction file."""
    with (output / f"predictions_{which}_test.csv").open(newline="", encoding="utf-8") as handle:
        return [row["id"] for row in csv.DictReader(handle)]


def compare_words(trained: Trained, save_dir: Path, **changes: object) -> list[str]:
    """``compare`` with the original script's flags."""
    options: dict[str, object] = {
        "checkpoint_full": trained.checkpoint("full"), "checkpoint_no_middle": trained.checkpoint("no_middle"),
        "root_dir": trained.data, "dataset": "jarvis", "property": PROPERTY, "save_dir": save_dir,
        "num_samples": 100, "batch_size": 64, "lang": "en", **changes,
    }  # fmt: skip
    return [
        "compare",
        *(w for k, v in options.items() for w in ([f"--{k}"] if v is True else [f"--{k}", str(v)])),
    ]


#: Several command lines in one process, so that torch and the host are imported once for all of them.
SEVERAL = """
import contextlib, io, json, os, sys
from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.reports.comparison import Comparison
results, whole = [], Comparison.write
for number, words in enumerate(json.loads(sys.argv[1])):
    short = {"formats": ["json"]} if number in json.loads(sys.argv[2]) else {}
    Comparison.write = lambda self, out, **options: whole(self, out, **{**options, **short})
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as left:
            code = left.code
    results.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""


def several(folder: Path, commands: Sequence[Sequence[str]], undrawn: Sequence[int] = ()) -> list[list[Any]]:
    """Run command lines of ``crysmm-attn`` one after the other, in ``folder``.

    Args:
        folder: Where.
        commands: The words of each.
        undrawn: Positions of those whose report nobody looks at: its numbers alone are written.

    Returns:
        Exit code, stdout and stderr of each.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    env |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps([list(map(str, c)) for c in commands]), json.dumps(list(undrawn))],
        cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def changed_host(folder: Path, name: str, code: str) -> Path:
    """A copy of the host with lines added to the end of one of its files."""
    copy = folder / "changed_host"
    shutil.copytree(HOST, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / name).open("a", encoding="utf-8") as file:
        file.write(code)
    return copy


def host_python(trained: Trained, code: str, *words: object) -> str:
    """Run lines of Python as the host's users do, in its folder; returns what they printed last."""
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(trained.host))),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=trained.host, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
