"""Rows that come batch by batch: flat memory, groups on disk, means without frames, shards of one test set as one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_kit import from_entropy, write_run

from crysmm_attn_plugin.errors import PartialStoreError, StoreError
from crysmm_attn_plugin.records import Checkpoint, Window, WindowOutcome
from crysmm_attn_plugin.stats.panel import Cell, build_panel
from crysmm_attn_plugin.store.files import write_bytes
from crysmm_attn_plugin.store.means import MeanCell
from crysmm_attn_plugin.store.reader import Run, open_run
from crysmm_attn_plugin.store.shards import merge_shards
from crysmm_attn_plugin.store.writer import RunWriter, seal

ROOT = Path(__file__).resolve().parent.parent


def rows(crystal: Any, n: int, heads: int, draw: np.random.Generator, **constant: Any) -> dict[str, Any]:
    """``n`` crystals x ``heads`` rows and the row of the head mean, two metrics."""
    per = heads + 1
    labels = {"module": "fine", "call": 0, "direction": "atom_to_text", "with_special_tokens": True,
              "stopwords_removed": False, "weights": "model", "n_queries": 2, "n_keys": 4, **constant}  # fmt: skip
    return {
        "crystal": np.repeat(crystal, per), "head": np.tile(np.arange(-1, heads), n), **labels,
        "entropy": draw.random(n * per).astype(np.float32), "gini": draw.random(n * per).astype(np.float32),
    }  # fmt: skip


def samples(ids: list[str]) -> dict[str, Any]:
    return {"id": ids, "split": "test", "window": "w", "formula": "NaCl", "tokens_hash": "h", "n_atoms": 2,
            "n_tokens": 4, "prediction": [float(len(i)) for i in ids]}  # fmt: skip


def stream(out: Path, ids: list[str], *, run_id: str = "run", batch: int = 4, group: int = 10, heads: int = 2,
           seed: int = 0, rank: int = 0, digest: str = "d1") -> Run:  # fmt: skip
    writer = RunWriter(out, "full", run_id=run_id, rank=rank)
    window = Window(f"w{rank}", digest, "test", "final", 3)
    opened = writer.open_window(window, group=group)
    for start in range(0, len(ids), batch):
        part = ids[start : start + batch]
        draw = np.random.default_rng([seed, *map(ord, part[0])])
        opened.append(
            samples=samples(part),
            attention=rows(np.arange(len(part)), len(part), heads, draw),
            crystals={
                "id": part,
                "formula": "NaCl",
                "tokens_hash": "h",
                "elements": [["Na", "Cl"]] * len(part),
            },
        )
    opened.close(WindowOutcome(window, "complete", n_batches=1, n_crystals=len(ids)))
    writer.write_checkpoint(Checkpoint(digest, ("best.pt",), "best_val"))
    seal(writer.path)
    return open_run(writer.path)


def crystals(n: int, first: int = 0) -> list[str]:
    return [f"c{i:05d}" for i in range(first, first + n)]


def test_batches_become_groups_and_read_as_one_table(tmp_path: Path) -> None:
    run = stream(tmp_path, crystals(25))
    assert len(list(run.path.rglob("attention/**/*.parquet"))) == 3
    assert run.samples["id"].tolist() == crystals(25)
    assert len(run.attention) == 25 * 3
    assert list(run.crystals.index) == crystals(25)
    assert not run.verify()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 30), heads=st.integers(1, 4), group=st.integers(1, 12), batch=st.integers(1, 9),
    holes=st.sets(st.integers(0, 50), max_size=4),
)  # fmt: skip
def test_means_are_those_of_the_whole_table_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, n: int, heads: int, group: int, batch: int, holes: set[int]
) -> None:
    out = tmp_path_factory.mktemp("cut")
    writer = RunWriter(out, "full", run_id="run")
    opened = writer.open_window(Window("w", "d1", "test"), group=group)
    draw = np.random.default_rng(0)
    for start in range(0, n, batch):
        ids = crystals(min(batch, n - start), start)
        values = rows(ids, len(ids), heads, draw)
        values["entropy"][[h for h in holes if h < len(values["entropy"])]] = np.nan
        opened.append(samples=samples(ids), attention=values)
    opened.close(WindowOutcome(Window("w", "d1", "test"), "complete", n_crystals=n))
    seal(writer.path)
    run = open_run(writer.path)
    means = run.crystal_means("d1", per_head=["gini"])
    frame = run.attention
    for head_mean in (False, True):
        cell = MeanCell("fine", "atom_to_text", head_mean=head_mean)
        part = frame[(frame["head"] == -1) == head_mean].astype({"entropy": float, "gini": float})
        grouped = part.groupby("crystal")[["entropy", "gini"]]
        expected = grouped.mean().mask(grouped.agg(lambda x: x.isna().any()).astype(bool))
        found = means.of(cell)
        assert means.metrics == ("entropy", "gini")
        np.testing.assert_allclose(
            pd.DataFrame(found.values, found.ids).sort_index().to_numpy(), expected.to_numpy(), rtol=1e-12
        )
        assert (found.n_keys == 4).all()
    per_head = means.heads(MeanCell("fine", "atom_to_text"), "gini", crystals(n))
    table = frame[frame["head"] >= 0].pivot(index="crystal", columns="head", values="gini")
    np.testing.assert_allclose(per_head, table.to_numpy(float), rtol=1e-7)


def test_only_what_is_asked_for_is_averaged(tmp_path: Path) -> None:
    run = stream(tmp_path, crystals(12))
    means = run.crystal_means(metrics=["gini"], directions=["atom_to_text"], module="fine")
    assert means.metrics == ("gini",)
    assert not run.crystal_means(directions=["text_to_atom"]).cells
    assert np.isnan(means.align(means.cells[0], ["nobody"])).all()


def test_rows_that_come_after_the_pass_belong_to_their_crystals(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "full", run_id="run")
    window = Window("w", "d1", "test")
    opened = writer.open_window(window, group=2)
    draw = np.random.default_rng(0)
    ids = ["a", "b", "a"]
    opened.append(samples=samples(ids), attention=rows(np.arange(3), 3, 1, draw))
    opened.append(attention=rows(["a", "b", "a"], 3, 1, draw, weights="reinitialised"))
    outcome = opened.close(WindowOutcome(window, "complete", n_crystals=3))
    assert [a.code for a in outcome.alarms] == ["repeated_ids"]
    seal(writer.path)
    means = open_run(writer.path).crystal_means("d1")
    for source in ("model", "reinitialised"):
        assert means.of(MeanCell("fine", "atom_to_text", weights=source)).ids.tolist() == ["a", "b", "a (2)"]


def test_what_nobody_knows_is_stored_and_read(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "full", run_id="run")
    window = Window("w", "d1", "test")
    opened = writer.open_window(window)
    opened.append(
        samples={"id": ["#1", "#2"], "split": "test", "window": "w", "n_atoms": [None, 3]},
        crystals={"id": ["#1", "#2"], "elements": [None, None], "tokens": None},
        attention=rows(
            np.arange(2), 2, 1, np.random.default_rng(0), direction="", n_queries=None, n_keys=None
        ),
        maps={"m": np.full((1, 3, 5), 0.2)},
        maps_index=[{"key": "m", "id": 1, "module": "fine", "call": 0, "direction": ""}],
    )
    opened.close(WindowOutcome(window, "complete", n_crystals=2))
    seal(writer.path)
    run = open_run(writer.path)
    assert run.samples["n_atoms"].isna().tolist() == [True, False]
    found = run.maps("#2", direction=None, checkpoint="d1")
    assert (found.weights.shape, found.elements, found.tokens, found.direction) == ((1, 3, 5), (), None, "")
    assert found.to_xarray().dims == ("head", "query", "key")
    assert run.structure("#1") is None
    assert run.token_labels("nobody") is None
    assert {c.direction for c in run.crystal_means("d1").cells} == {""}


def test_a_metric_that_comes_later_is_not_defined_before(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "full", run_id="run")
    window = Window("w", "d1", "test")
    opened = writer.open_window(window, group=1)
    draw = np.random.default_rng(0)
    opened.append(samples=samples(["a"]), attention=rows([0], 1, 1, draw))
    opened.append(samples=samples(["b"]), attention={**rows([0], 1, 1, draw), "late": [1.0, 2.0]})
    opened.close(WindowOutcome(window, "complete", n_crystals=2))
    seal(writer.path)
    run = open_run(writer.path)
    means = run.crystal_means("d1")
    values = means.align(MeanCell("fine", "atom_to_text"), ["a", "b"])[:, means.metrics.index("late")]
    assert np.isnan(values[0])
    assert values[1] == 2.0


def test_columns_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    opened = RunWriter(tmp_path, "full").open_window(Window("w", "d1", "test"))
    with pytest.raises(ValueError, match="holds 1 values where 2 rows"):
        opened.append(samples={"id": ["a", "b"], "formula": ["NaCl"]})


def test_a_pass_that_is_still_going_on_is_read_as_partial_up_to_its_last_group(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "full", run_id="run")
    opened = writer.open_window(Window("w", "d1", "test"), group=4)
    draw = np.random.default_rng(0)
    for start in range(0, 10, 2):
        opened.append(samples=samples(crystals(2, start)), attention=rows(np.arange(2), 2, 1, draw))
    with pytest.raises(PartialStoreError, match="did not finish"):
        open_run(writer.path)
    run = open_run(writer.path, allow_partial=True)
    (outcome,) = run.windows
    assert (outcome.state, outcome.n_crystals, outcome.reason) == (
        "partial",
        8,
        "the process ended inside this pass",
    )
    assert len(run.samples) == 8


def test_a_second_process_adds_to_a_sealed_run_and_its_death_is_told(tmp_path: Path) -> None:
    stream(tmp_path, crystals(4))
    writer = RunWriter(tmp_path, "full", run_id="run")
    assert open_run(writer.path).state == "complete"
    window = Window("w9", "d2", "val")
    opened = writer.open_window(window, group=2)
    opened.append(
        samples={**samples(["x", "y"]), "split": "val"},
        attention=rows(np.arange(2), 2, 1, np.random.default_rng(0)),
    )
    with pytest.raises(PartialStoreError, match="w9"):
        open_run(writer.path)
    opened.close(WindowOutcome(window, "complete", n_crystals=2))
    run = open_run(writer.path)
    assert (run.state, len(run.samples)) == ("complete", 6)
    writer.discard_window(WindowOutcome(window, "complete"))
    seal(writer.path)
    assert len(open_run(writer.path).samples) == 4
    assert not open_run(writer.path).verify()


# -- shards --------------------------------------------------------------------------------------------------


def test_jobs_of_an_array_with_the_same_weights_are_one_run(tmp_path: Path) -> None:
    whole = stream(tmp_path / "whole", crystals(12))
    parts = [stream(tmp_path / "jobs", crystals(4, 4 * i), run_id=f"job{i}") for i in range(3)]
    (merged,) = merge_shards(parts)
    assert sorted(merged.samples["id"]) == crystals(12)
    assert merged.run_id == "job0+job1+job2"
    cell = MeanCell("fine", "atom_to_text")
    np.testing.assert_array_equal(
        merged.crystal_means().align(cell, crystals(12)), whole.crystal_means().align(cell, crystals(12))
    )
    panel = build_panel({"full": parts})
    assert panel.ids == tuple(crystals(12))
    assert panel.values["full", Cell("entropy")].shape == (1, 12)
    assert not panel.warnings


def test_crystals_that_two_jobs_hold_count_once_or_are_refused_with_both_numbers(tmp_path: Path) -> None:
    entropy = np.linspace(2, 3, 6)

    def job(name: str, numbers: list[int], shift: float = 0, target: float = 0) -> Run:
        n = len(numbers)
        return write_run(
            tmp_path / name, "full", from_entropy(entropy[numbers] + shift), ids=[f"c{i}" for i in numbers],
            targets=np.array(numbers) + target, formulas=["NaCl"] * n, n_atoms=np.full(n, 2), n_tokens=np.full(n, 20),
        )  # fmt: skip

    parts = [job("a", [0, 1, 2, 3]), job("b", [2, 3, 4, 5])]
    (merged,) = merge_shards(parts)
    assert sorted(merged.samples["id"]) == [f"c{i}" for i in range(6)]
    assert merged.overlap == 2
    assert len(merged.attention) == 6 * 9
    values = merged.crystal_means().align(MeanCell("fine", "atom_to_text"), [f"c{i}" for i in range(6)])[:, 0]
    np.testing.assert_allclose(values, entropy, rtol=1e-6)
    assert [w.code for w in build_panel({"full": parts}).warnings] == ["runs_same_weights"]
    other = job("c", [3], shift=0.5)
    (wrong,) = merge_shards([parts[0], other])
    with pytest.raises(StoreError, match=r"'c3' was captured twice.*entropy 2\.6 and 3\.1"):
        wrong.crystal_means()
    with pytest.raises(StoreError, match="captured twice"):
        _ = wrong.attention
    moved = job("d", [3], target=6)
    with pytest.raises(StoreError, match=r"target 3(\.0)? in .* but 9(\.0)? in"):
        merge_shards([parts[0], moved])


def test_ranks_of_one_job_are_one_run(tmp_path: Path) -> None:
    stream(tmp_path, crystals(8), batch=4)
    run = stream(tmp_path, crystals(8, 4), batch=4, rank=1)
    assert sorted(run.samples["id"]) == crystals(12)
    assert len(run.attention) == 12 * 3
    assert len(run.windows) == 2


# -- memory ----------------------------------------------------------------------------------------------------

CHILD = """
import resource, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
import numpy as np
import test_store_streaming as t
from crysmm_attn_plugin.records import Window, WindowOutcome
from crysmm_attn_plugin.store.writer import RunWriter
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
writer = RunWriter(Path(sys.argv[1]), "full", run_id="run")
window = Window("w", "d1", "test")
opened = writer.open_window(window, memory_mb=16)
draw = np.random.default_rng(0)
for start in range(0, int(sys.argv[2]), 64):
    opened.append(samples=t.samples(t.crystals(64, start)), attention=t.rows(np.arange(64), 64, 100, draw))
    if start == 64 * 30:
        before = peak()
opened.close(WindowOutcome(window, "complete"))
print(peak() - before)
"""


@pytest.mark.slow
def test_writing_ten_times_the_crystals_takes_no_more_memory(tmp_path: Path) -> None:
    added = {}
    for n in (4096, 40960):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path / str(n)), str(n)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        added[n] = float(done.stdout)
    assert added[40960] < added[4096] + 40, added


@pytest.mark.parametrize("record", ["checkpoints", "windows"])
@pytest.mark.parametrize("again", [False, True], ids=["new", "replaced"])
def test_a_run_sealed_while_another_rank_writes_a_record_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str, again: bool
) -> None:
    path = stream(tmp_path, crystals(4)).path
    writer = RunWriter(path.parent.parent, "full", run_id=path.name, rank=1)
    window = Window("late", "d1", "test", "final", 3)

    def write(n: int) -> None:
        if record == "checkpoints":
            writer.write_checkpoint(Checkpoint("d2", (f"{n}.pt",), "best_val", n))
        else:
            writer.write_outcome(WindowOutcome(window, "complete", n_crystals=n))

    if again:
        write(1)
    placed = write_bytes

    def sealed_before(target: Path, content: bytes) -> Path:
        seal(path)
        return placed(target, content)

    monkeypatch.setattr("crysmm_attn_plugin.store.writer.write_bytes", sealed_before)
    write(2)
    run = open_run(path)
    assert (run.state, run.reason, run.verify()) == ("complete", "", ())
    if record == "windows":
        assert [o.n_crystals for o in run.windows if o.window == window] == [2]
    else:
        assert [c.epoch for c in run.checkpoints if c.digest == "d2"] == [2]
    monkeypatch.undo()
    seal(path)
    assert open_run(path).state == "complete"


def test_a_pass_is_not_written_over_another_of_its_id(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "full", run_id="one")
    window = Window("w", "d1", "test")
    writer.write_window(WindowOutcome(window, "complete"), attention={}, samples={}, crystals={})
    with pytest.raises(ValueError, match="holds a pass w already"):
        writer.open_window(Window("w", "d2", "test"))
    with pytest.raises(ValueError, match="holds a pass w already"):
        RunWriter(tmp_path, "full", run_id="one").open_window(window)
