"""Every write of the store fails once, in every way a disk can; then the process is killed at every step."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crysmm_attn_plugin.records import Checkpoint, Window, WindowOutcome
from crysmm_attn_plugin.store.places import is_run
from crysmm_attn_plugin.store.reader import Run, open_run
from crysmm_attn_plugin.store.repair import repair
from crysmm_attn_plugin.store.writer import RunWriter, seal

CALLS = ("write", "fsync", "replace", "open", "ftruncate")
ERRORS = (errno.ENOSPC, errno.EIO)
BATCH, BATCHES, GROUP = 4, 5, 8
#: Steps between kills; every step is tried with STORE_EVERY_STEP=1.
STRIDE = 1 if os.environ.get("STORE_EVERY_STEP") else 31
WINDOW = Window("w0", "d1", "test", "final", 3)


def batch(number: int) -> dict[str, Any]:
    """Rows of four crystals; entropy is 10 x the crystal's number."""
    first = number * BATCH
    ids = [f"c{i:02d}" for i in range(first, first + BATCH)]
    return {
        "attention": {
            "crystal": np.arange(BATCH), "module": "fine", "call": 0, "direction": "atom_to_text", "head": 0,
            "with_special_tokens": True, "stopwords_removed": False, "weights": "model", "n_queries": 2, "n_keys": 4,
            "entropy": 10.0 * np.arange(first, first + BATCH),
        },
        "samples": {"id": ids, "split": "test", "window": "w0", "formula": "NaCl", "tokens_hash": "h",
                    "prediction": np.arange(first, first + BATCH, dtype=float)},
        "crystals": {"id": ids, "formula": "NaCl", "tokens_hash": "h", "elements": [["Na", "Cl"]] * BATCH},
        "maps": {"m": np.full((1, 2, 4), 0.25, np.float16)},
        "maps_index": [{"key": "m", "id": ids[0], "module": "fine", "call": 0, "direction": "atom_to_text"}],
    }  # fmt: skip


def write_all(out: Path, told: Callable[[str], object] = lambda text: None) -> Path:
    """A whole run in groups of eight crystals: rows, an outcome, a checkpoint, a manifest."""
    writer = RunWriter(out, "full", run_id="run")
    opened = writer.open_window(WINDOW, group=GROUP)
    for number in range(BATCHES):
        opened.append(**batch(number))
        told(f"batch {number}")
    opened.close(WindowOutcome(WINDOW, "complete", n_batches=BATCHES, n_crystals=BATCH * BATCHES))
    writer.write_checkpoint(Checkpoint("d1", ("best.pt",), "best_val", 3, {}, ()))
    seal(writer.path)
    told("sealed")
    return writer.path


def check(run: Run) -> int:
    """Every row is right; returns how many crystals there are."""
    if not len(run.samples):
        return 0
    numbers = run.samples["id"].str[1:].astype(float)
    assert (run.samples["prediction"] == numbers).all()
    rows = run.attention
    assert (rows["entropy"] == 10 * rows["crystal"].str[1:].astype(float)).all()
    assert set(rows["crystal"]) == set(run.samples["id"])
    for id in run.map_ids():
        assert run.maps(id, checkpoint="d1").weights.sum() == 2
    return len(run.samples)


class Faulty:
    """``os`` functions of which the n-th call fails, once or from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int, code: int, lasting: bool) -> None:
        self.calls = 0
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == at or (lasting and self.calls > at):
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])  # half of it arrives
                raise OSError(code, os.strerror(code))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)


def writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> int:
    """How often a sound run calls an ``os`` function."""
    with monkeypatch.context() as patch:
        counter = Faulty(patch, name, 0, errno.EIO, False)
        write_all(tmp_path / "sound")
    return counter.calls


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("name", CALLS)
def test_a_failing_disk_costs_at_most_what_was_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lasting: bool
) -> None:
    total = writes(tmp_path, monkeypatch, name)
    if name != "ftruncate":
        assert total >= 10
    for at in range(1, total + 1):
        code = ERRORS[at % 2]
        out = tmp_path / f"{at}"
        confirmed = 0
        with monkeypatch.context() as patch:
            Faulty(patch, name, at, code, lasting)
            with contextlib.suppress(OSError):
                write_all(out)
        folder = out / "full" / "run"
        if not is_run(folder):
            continue  # no line of a journal was begun
        if (folder / "manifest.json").exists():
            confirmed = check(open_run(folder, allow_partial=True))
            assert confirmed == BATCH * BATCHES
            continue
        run = open_run(folder, damaged="skip")
        assert not [d for d in run.damage if d.path.startswith(("attention", "samples", "crystals", "maps"))]
        n = check(run)
        assert n % GROUP == 0 or n == BATCH * BATCHES
        assert run.state == "partial"
        repair(folder)
        assert check(open_run(folder, allow_partial=True)) == n
        assert not list(folder.rglob("*.tmp"))


def test_a_writer_goes_on_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RunWriter(tmp_path, "full", run_id="run")
    opened = writer.open_window(WINDOW, group=GROUP)
    opened.append(**batch(0))
    with monkeypatch.context() as patch:
        Faulty(patch, "write", 1, errno.ENOSPC, True)
        with pytest.raises(OSError, match="No space"):
            opened.append(**batch(1))
    for number in range(2, BATCHES):
        opened.append(**batch(number))
    opened.close(WindowOutcome(WINDOW, "complete", n_batches=BATCHES, n_crystals=BATCH * BATCHES))
    writer.write_checkpoint(Checkpoint("d1", (), "best_val"))
    seal(writer.path)
    run = open_run(writer.path)
    assert (check(run), run.state) == (BATCH * BATCHES, "complete")


CHILD = """
import os, signal, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
import test_store_faults as t
steps, real = [0], {n: getattr(os, n) for n in ("write", "fsync", "replace", "open")}
def counted(name):
    def call(*args, **kwargs):
        steps[0] += 1
        if steps[0] == int(sys.argv[2]):
            if name == "write":
                real[name](args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real[name](*args, **kwargs)
    return call
for name in real:
    setattr(os, name, counted(name))
def told(text):
    real["write"](1, (text + "\\n").encode())
t.write_all(Path(sys.argv[1]), told)
"""


def killed(out: Path, step: int) -> tuple[int, list[str]]:
    """Exit code of a process killed before its n-th write, and what it had been told was done."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out), str(step)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.splitlines()


def after_a_kill(folder: Path, told: list[str]) -> int:
    """What a killed process left is right, is at most a group short of what it was told, and can be repaired."""
    if not is_run(folder):  # no line of a journal was begun
        assert not any(p.is_file() and not p.name.endswith(".tmp") for p in folder.rglob("*"))
        assert not told
        return 0
    if "sealed" in told or (folder / "manifest.json").exists():
        assert check(open_run(folder)) == BATCH * BATCHES
        return BATCH * BATCHES
    run = open_run(folder, damaged="skip")
    n = check(run)
    batches = sum(1 for line in told if line.startswith("batch"))
    assert n >= batches * BATCH // GROUP * GROUP, "more than one group is gone"
    assert run.state == "partial"
    repair(folder)
    again = open_run(folder, allow_partial=True)
    assert check(again) == n
    assert not again.verify()
    return n


@pytest.mark.slow
def test_a_process_killed_at_any_step_loses_at_most_the_group_being_written(tmp_path: Path) -> None:
    found = set()
    for step in range(1, 1000, STRIDE):
        code, told = killed(tmp_path / str(step), step)
        found.add(after_a_kill(tmp_path / str(step) / "full" / "run", told))
        if code == 0:
            break
    else:
        raise AssertionError("the run never ended")
    assert {0, BATCH * BATCHES} < found


def test_a_file_system_that_cannot_sync_folders_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stat

    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert check(open_run(write_all(tmp_path))) == BATCH * BATCHES
