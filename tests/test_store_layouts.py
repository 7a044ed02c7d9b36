"""Runs of the first layout are read, checked as far as they can be, and brought to this one by ``repair``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.errors import DamagedStoreError, PartialStoreError
from crysmm_attn_plugin.records import Checkpoint, Window, WindowOutcome
from crysmm_attn_plugin.store.reader import open_run
from crysmm_attn_plugin.store.repair import repair
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION
from crysmm_attn_plugin.store.writer import RunWriter, seal

DIGEST = "0123456789abcdef0123456789abcdef"
STEM = "20260101T000000-77-0001-test"
RUN_JSON = """{
  "schema_version": 1,
  "run_id": "20260101T000000-abcdef",
  "arm": "full",
  "command": ["python", "train.py"],
  "host_seed": 123,
  "settings": {"report": {"auto": true}}
}
"""
WINDOW_JSON = """{
  "rank": 0,
  "window": {
    "window_id": "20260101T000000-77-0001-test",
    "checkpoint": "0123456789abcdef0123456789abcdef",
    "split": "test",
    "kind": "final",
    "epoch": 3,
    "training_mode": false
  },
  "state": "complete",
  "reason": "",
  "n_batches": 1,
  "n_crystals": 2,
  "expected_calls": 1,
  "actual_calls": 1,
  "seconds": 0.5,
  "alarms": [{"code": "text_truncated", "message": "Texts were cut.", "module": "", "direction": "", "detail": {}}]
}
"""
CHECKPOINT_JSON = """{
  "digest": "0123456789abcdef0123456789abcdef",
  "files": ["best_val_model.pt"],
  "role": "best_val",
  "epoch": 3,
  "metrics": {"val_mae": 0.25},
  "untrained": []
}
"""
#: Columns and types as the first layout wrote them.
ATTENTION = pa.table(
    {
        "crystal": pa.array(["a", "a", "b", "b"]),
        "module": pa.array(["fine"] * 4),
        "call": pa.array([0] * 4, pa.int16()),
        "direction": pa.array(["atom_to_text"] * 4),
        "head": pa.array([0, 1, 0, 1], pa.int16()),
        "with_special_tokens": pa.array([True] * 4),
        "stopwords_removed": pa.array([False] * 4),
        "weights": pa.array(["model"] * 4),
        "n_queries": pa.array([2] * 4, pa.int32()),
        "n_keys": pa.array([3] * 4, pa.int32()),
        "entropy": pa.array([1.0, 3.0, 2.0, float("nan")], pa.float32()),
    }
)
SAMPLES = pa.table(
    {
        "id": ["a", "b"], "split": ["test"] * 2, "window": [STEM] * 2, "formula": ["NaCl"] * 2,
        "n_atoms": pa.array([2, 2], pa.int32()), "n_tokens": pa.array([3, 3], pa.int32()), "tokens_hash": ["h"] * 2,
        "text_truncated": [False] * 2, "target": [1.0, 2.0], "prediction": [1.5, 2.5],
    }
)  # fmt: skip
CRYSTALS = pa.table(
    {
        "id": ["a", "b"], "formula": ["NaCl"] * 2, "elements": [["Na", "Cl"]] * 2,
        "tokens": [["[CLS]", "salt", "[SEP]"]] * 2, "word_ids": pa.array([[-1, 0, -1]] * 2, pa.list_(pa.int32())),
        "special": [[True, False, True]] * 2, "text": ["salt"] * 2, "text_truncated": [False] * 2,
        "tokens_hash": ["h"] * 2, "lattice": pa.array([None] * 2, pa.list_(pa.float64())),
        "frac_coords": pa.array([None] * 2, pa.list_(pa.float64())),
    }
)  # fmt: skip


def first_layout(folder: Path, *, sealed: bool = True) -> Path:
    """A run of schema version 1, byte for byte as it was laid out."""
    names = {
        "run.json": RUN_JSON, f"windows/{STEM}.json": WINDOW_JSON, f"checkpoints/{DIGEST}.json": CHECKPOINT_JSON,
    }  # fmt: skip
    for name, text in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    shard = f"ckpt={DIGEST}/rank=0/{STEM}"
    rows = {}
    for name, table in (
        (f"attention/{shard}.parquet", ATTENTION), (f"samples/{shard}.parquet", SAMPLES),
        (f"crystals/rank=0/{STEM}.parquet", CRYSTALS),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / name, compression="zstd")
        rows[name] = table.num_rows
    maps = folder / f"maps/{shard}.safetensors"
    maps.parent.mkdir(parents=True, exist_ok=True)
    index = [{"key": "m000000", "id": "b", "module": "fine", "call": 0, "direction": "atom_to_text"}]
    save_file({"m000000": np.full((2, 2, 3), 0.5, np.float16)}, maps, metadata={"index": json.dumps(index)})
    if sealed:
        files = [
            {"path": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size,
             "rows": rows.get(p.relative_to(folder).as_posix())}
            for p in sorted(folder.rglob("*")) if p.is_file()
        ]  # fmt: skip
        manifest = {
            "schema_version": 1,
            "state": "complete",
            "reason": "",
            "written": "2026-01-01T00:00:00Z",
            "files": files,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return folder


def assert_reads(run) -> None:
    assert run.samples["prediction"].tolist() == [1.5, 2.5]
    assert run.attention["entropy"].tolist()[:3] == [1.0, 3.0, 2.0]
    assert run.checkpoint().role == "best_val"
    assert run.alarms[0].code == "text_truncated"
    means = run.crystal_means()
    (cell,) = means.cells
    assert means.align(cell, ["a", "b"])[:, 0].tolist()[0] == 2.0
    assert np.isnan(means.align(cell, ["b"])).all()
    assert run.maps("b").tokens.tokens == ("[CLS]", "salt", "[SEP]")


def test_a_run_of_the_first_layout_reads_and_says_what_cannot_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = first_layout(tmp_path / "full" / "run")
    run = open_run(folder)
    assert run.first_layout
    assert_reads(run)
    assert main(["status", str(folder), "--verify"]) == 0
    assert "kept no digests" in capsys.readouterr().out


def test_repair_brings_it_to_this_layout_with_everything_in_it(tmp_path: Path) -> None:
    folder = first_layout(tmp_path / "full" / "run")
    done = repair(folder)
    assert (done.state, done.digests_added, done.aside) == ("complete", True, ())
    run = open_run(folder)
    assert not run.first_layout
    assert run.manifest["schema_version"] == SCHEMA_VERSION
    assert_reads(run)
    assert not run.verify()
    victim = next((folder / "samples").rglob("*.parquet"))
    content = bytearray(victim.read_bytes())
    content[40] ^= 1
    victim.write_bytes(content)
    assert [d.path for d in run.verify()] == [victim.relative_to(folder).as_posix()]


def test_sizes_and_row_counts_of_the_first_layout_still_count(tmp_path: Path) -> None:
    folder = first_layout(tmp_path / "full" / "run")
    victim = next((folder / "attention").rglob("*.parquet"))
    content = victim.read_bytes()
    victim.write_bytes(content + b"x")
    with pytest.raises(DamagedStoreError, match="the manifest says"):
        open_run(folder)
    victim.write_bytes(bytes(len(content)))
    with pytest.raises(DamagedStoreError, match="not a readable table"):
        _ = open_run(folder).attention


def test_an_unfinished_run_of_the_first_layout_is_partial_and_repairable(tmp_path: Path) -> None:
    folder = first_layout(tmp_path / "full" / "run", sealed=False)
    with pytest.raises(PartialStoreError, match="did not finish"):
        open_run(folder)
    assert_reads(open_run(folder, allow_partial=True))
    assert repair(folder).state == "partial"
    assert_reads(open_run(folder, allow_partial=True))


@pytest.mark.parametrize("sealed", [True, False])
def test_a_process_of_today_may_add_to_a_run_of_the_first_layout(tmp_path: Path, sealed: bool) -> None:
    folder = first_layout(tmp_path / "full" / "20260101T000000-abcdef", sealed=sealed)
    writer = RunWriter(tmp_path, "full", run_id="20260101T000000-abcdef", info={"host_seed": 123})
    assert writer.captured() == [(DIGEST, "test", False)]
    window = Window("w1", "d2", "test")
    opened = writer.open_window(window)
    opened.append(samples={"id": ["c"], "split": "test", "window": "w1"}, attention={
        "crystal": [0], "module": "fine", "call": 0, "direction": "atom_to_text", "head": 0,
        "with_special_tokens": True, "stopwords_removed": False, "weights": "model", "entropy": [1.0],
    })  # fmt: skip
    opened.close(WindowOutcome(window, "complete", n_batches=1, n_crystals=1))
    writer.write_checkpoint(Checkpoint("d2", (), "last"))
    seal(folder)
    run = open_run(folder)
    assert run.samples["id"].tolist() == ["a", "b", "c"]
    assert not run.verify()


def test_a_run_of_a_later_layout_asks_for_an_update(tmp_path: Path) -> None:
    folder = first_layout(tmp_path / "full" / "run")
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    (folder / "manifest.json").write_text(
        text.replace('"schema_version": 1', '"schema_version": 99'), encoding="utf-8"
    )
    with pytest.raises(PartialStoreError, match="update crysmm-attn"):
        open_run(folder, allow_partial=True)
