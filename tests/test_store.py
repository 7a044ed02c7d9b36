"""A run on disk is complete or says it is partial; labels and numbers come back as written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crysmm_attn_plugin.errors import DamagedStoreError, NothingCapturedError, PartialStoreError, UsageError
from crysmm_attn_plugin.records import (
    LEFT_EARLY,
    BatchIdentity,
    Checkpoint,
    Structure,
    TokenLabels,
    Window,
    WindowOutcome,
)
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.files import safe_name, write_atomic, write_json
from crysmm_attn_plugin.store.reader import find_runs, open_run
from crysmm_attn_plugin.store.writer import RunWriter, crystal_columns, seal

ROOT = Path(__file__).resolve().parent.parent
LABELS = TokenLabels(
    ("[CLS]", "Na", "##Cl", "[SEP]"), (-1, 0, 0, -1), (True, False, False, True), "NaCl", False
)
CUBE = Structure(((5.6, 0, 0), (0, 5.6, 0), (0, 0, 5.6)), ((0, 0, 0), (0.5, 0.5, 0.5)), ("Na", "Cl"))


def _write(out: Path, *, rank: int = 0, ids: tuple[str, ...] = ("a", "b"), run_id: str = "run", digest: str = "d1",
           name: str = "w0", role: str = "best_val", split: str = "test",
           left: bool = False) -> RunWriter:  # fmt: skip
    writer = RunWriter(out, "full", run_id=run_id, rank=rank, info={"command": ["python", "train.py"]})
    n = len(ids)
    identity = BatchIdentity(ids, (("Na", "Cl"),) * n, (LABELS,) * n, (1.0,) * n, (CUBE,) * n)
    attention = {
        "crystal": ids, "module": ["fine"] * n, "call": [0] * n, "direction": ["atom_to_text"] * n, "head": [0] * n,
        "with_special_tokens": [True] * n, "stopwords_removed": [False] * n, "weights": ["model"] * n,
        "n_queries": [2] * n, "n_keys": [4] * n, "entropy": np.array([ord(i[0]) - 97 for i in ids], np.float32),
    }  # fmt: skip
    samples = {
        "id": ids, "split": [split] * n, "window": [name] * n, "formula": ["NaCl"] * n, "n_atoms": [2] * n,
        "n_tokens": [4] * n, "tokens_hash": ["h"] * n, "text_truncated": [False] * n, "target": [1.0] * n,
        "prediction": [0.5] * n,
    }  # fmt: skip
    maps = {f"m{i}": np.full((1, 2, 4), 0.25, np.float16) for i in range(n)}
    index = [
        {"key": f"m{i}", "id": c, "module": "fine", "call": 0, "direction": "atom_to_text"}
        for i, c in enumerate(ids)
    ]
    state, reason = ("partial", LEFT_EARLY) if left else ("complete", "")
    window = Window(name, digest, split, "final", 3)
    outcome = WindowOutcome(window, state, reason, n_batches=1, n_crystals=n)  # type: ignore[arg-type]
    writer.write_window(
        outcome, attention=attention, samples=samples,
        crystals=crystal_columns(identity, ["NaCl"] * n, ["h"] * n), maps=maps, maps_index=index,
    )  # fmt: skip
    writer.write_checkpoint(Checkpoint(digest, ("best_val_model.pt",), role, 3, {"val_mae": 0.2}, ()))
    return writer


def test_numbers_labels_maps_and_structures_come_back(tmp_path: Path) -> None:
    writer = _write(tmp_path)
    seal(writer.path)
    run = open_run(tmp_path / "full")
    assert (run.state, run.arm, run.run_id) == ("complete", "full", "run")
    assert run.attention["entropy"].tolist() == [0.0, 1.0]
    assert run.samples["id"].tolist() == ["a", "b"]
    assert run.checkpoint().role == "best_val"
    assert run.checkpoint("best_val_model.pt").digest == "d1"
    found = run.maps("b")
    assert found.weights.shape == (1, 2, 4)
    assert found.atom_labels == ("Na1", "Cl2")
    assert found.tokens == LABELS
    assert found.to_xarray().sel(atom="Na1").dims == ("head", "token")
    assert run.structure("a") == CUBE


def test_a_run_without_a_manifest_is_partial_and_says_what_to_do(tmp_path: Path) -> None:
    _write(tmp_path)
    with pytest.raises(PartialStoreError, match=r"did not finish.*crysmm-attn status"):
        open_run(tmp_path / "full" / "run")
    assert len(open_run(tmp_path / "full" / "run", allow_partial=True).samples) == 2


def test_a_file_that_changed_after_sealing_is_noticed(tmp_path: Path) -> None:
    writer = _write(tmp_path)
    seal(writer.path)
    victim = next((writer.path / "samples").rglob("*.parquet"))
    victim.write_bytes(victim.read_bytes() + b"x")
    with pytest.raises(PartialStoreError, match="the manifest says"):
        open_run(writer.path)
    victim.unlink()
    with pytest.raises(PartialStoreError, match="not on disk"):
        open_run(writer.path)


def test_a_failed_window_makes_the_run_partial(tmp_path: Path) -> None:
    writer = _write(tmp_path)
    writer.write_outcome(WindowOutcome(Window("w1", "d2", "test"), "failed", "ids did not match"))
    seal(writer.path)
    with pytest.raises(PartialStoreError, match="ids did not match"):
        open_run(writer.path)


def test_padding_repeats_of_a_distributed_sampler_are_dropped_across_ranks(tmp_path: Path) -> None:
    _write(tmp_path, rank=0, ids=("a", "b"))
    writer = _write(tmp_path, rank=1, ids=("b", "c"))
    seal(writer.path)
    run = open_run(writer.path)
    assert sorted(run.samples["id"]) == ["a", "b", "c"]
    assert sorted(run.attention["crystal"]) == ["a", "b", "c"]


def test_an_id_that_comes_twice_in_a_pass_is_told_and_both_crystals_are_kept(tmp_path: Path) -> None:
    writer = _write(tmp_path, ids=("a", "a", "b"))
    seal(writer.path)
    run = open_run(writer.path)
    assert run.samples["id"].tolist() == ["a", "a (2)", "b"]
    assert run.attention["crystal"].tolist() == ["a", "a (2)", "b"]
    assert run.map_ids() == ("a", "a (2)", "b")
    assert run.token_labels("a (2)") == LABELS
    assert run.repeated_ids == {"a", "a (2)"}
    many = _write(tmp_path / "many", ids=tuple(f"{chr(97 + i % 26)}{i // 2}" for i in range(100)) * 2)
    seal(many.path)
    assert len(open_run(many.path).repeated_ids) == 200
    (alarm,) = run.alarms
    assert (alarm.code, alarm.detail["ids"]) == ("repeated_ids", ["a"])


def test_the_arm_folder_opens_its_newest_run_and_two_arms_must_be_named(tmp_path: Path) -> None:
    for run_id in ("20260101T000000-a", "20260102T000000-b"):
        seal(_write(tmp_path, run_id=run_id).path)
    assert open_run(tmp_path / "full").run_id == "20260102T000000-b"
    assert len(find_runs(tmp_path)) == 2
    other = RunWriter(tmp_path, "no_middle", run_id="x")
    seal(other.path)
    with pytest.raises(UsageError, match="2 arms"):
        open_run(tmp_path)


def test_runs_are_read_from_a_url_and_never_written_to_one(tmp_path: Path) -> None:
    """A store in memory stands for any that fsspec reads; what comes back is what a folder gives."""
    import fsspec

    seal(_write(tmp_path / "runs").path)
    store = fsspec.filesystem("memory")
    store.put(str(tmp_path / "runs"), "/bucket/runs", recursive=True)
    try:
        (found,) = find_runs("memory://bucket/runs")
        assert found.attention.equals(open_run(tmp_path / "runs" / "full").attention)
        assert not found.verify()
        assert open_run("memory://bucket/runs/full/run").state == "complete"
        part = next(n for n in store.find("/bucket/runs") if n.endswith(".parquet"))
        store.pipe(part, store.cat(part)[:-7])
        with pytest.raises(DamagedStoreError):
            len(open_run("memory://bucket/runs").attention)
    finally:
        store.rm("/bucket", recursive=True)
    with pytest.raises(UsageError, match="memory://bucket/runs does not exist or is empty"):
        find_runs("memory://bucket/runs")
    with pytest.raises(UsageError, match="nosuch://bucket cannot be read: Protocol not known"):
        find_runs("nosuch://bucket")
    for place in ("s3://bucket/runs", Path("s3://bucket/runs")):
        with pytest.raises(UsageError, match="is a URL, and only folders are written to"):
            RunWriter(place, "full")
        with pytest.raises(UsageError, match=r"settings: out_dir s3:.* is a URL"):
            Settings().replaced(out_dir=place)
    assert not Path("s3:").exists()


def test_missing_folders_splits_and_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        find_runs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no captured run"):
        open_run(tmp_path / "empty")
    writer = _write(tmp_path)
    seal(writer.path)
    run = open_run(writer.path)
    with pytest.raises(NothingCapturedError, match="captured: test"):
        run.checkpoint(split="val")
    with pytest.raises(UsageError, match="it has: best_val"):
        run.checkpoint("best_test")
    with pytest.raises(UsageError, match="2 crystals have maps"):
        run.maps("nobody")


def test_discarding_a_window_leaves_nothing_of_it(tmp_path: Path) -> None:
    writer = _write(tmp_path)
    outcome = WindowOutcome(Window("w0", "d1", "test", "final", 3), "complete")
    writer.discard_window(outcome)
    assert not list((writer.path / "attention").rglob("*.parquet"))
    assert not list((writer.path / "maps").rglob("*.safetensors"))
    assert not list((writer.path / "windows").glob("*.json"))


def test_names_that_came_from_data_stay_inside_the_run(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "../../evil arm", run_id="..")
    assert tmp_path in writer.path.parents
    assert safe_name("..") == "_"
    assert "/" not in safe_name("a/../../b")


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_json(target, {"a": 1})

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(target, fail)
    assert json.loads(target.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_nan_becomes_null_in_json(tmp_path: Path) -> None:
    path = write_json(tmp_path / "x.json", {"a": float("nan"), "b": np.float32(0.5), "c": (1, None)})
    assert json.loads(path.read_text()) == {"a": None, "b": 0.5, "c": [1, None]}


def test_a_process_killed_between_windows_leaves_a_readable_partial_run(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; sys.path.insert(0, 'tests'); from pathlib import Path; from test_store import _write\n"
        f"_write(Path({str(tmp_path)!r})); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    run = open_run(tmp_path / "full", allow_partial=True)
    assert run.state == "partial"
    assert run.samples["id"].tolist() == ["a", "b"]
    assert not list(run.path.rglob(".*"))


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_few_batches_beside_a_whole_pass_leave_nothing_missing(order: str, tmp_path: Path) -> None:
    """A host tries its loader, or draws some of its batches, besides its test."""
    passes = [("look", ("a",), True), ("whole", ("a", "b", "c"), False)]
    for name, ids, left in passes if order == "before" else passes[::-1]:
        writer = _write(tmp_path, name=name, ids=ids, left=left)
    seal(writer.path)
    run = open_run(writer.path)
    assert run.state == "complete"
    assert run.samples["id"].tolist() == ["a", "b", "c"]
    assert run.samples["window"].unique().tolist() == ["whole"]
    assert run.attention["crystal"].tolist() == ["a", "b", "c"]
    assert {o.window.window_id for o in run.windows} == {"look", "whole"}


@pytest.mark.parametrize("other", [{}, {"digest": "d2"}, {"split": "val"}, {"ids": ("a",)}])
def test_a_loop_left_early_that_no_whole_pass_covers_makes_the_run_partial(
    other: dict, tmp_path: Path
) -> None:
    writer = _write(tmp_path, name="look", ids=("a", "b"), left=True)
    if other:
        writer = _write(tmp_path, **{"name": "whole", "ids": ("a", "b", "c"), **other})
    seal(writer.path)
    with pytest.raises(PartialStoreError, match="left the loop early"):
        open_run(writer.path)
