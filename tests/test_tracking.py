"""A written report in the experiment tracker that the host uses: the real trackers, on disk, without a network."""

from __future__ import annotations

import json
import logging
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from process_kit import HEAD, command_line, our_lines, write_host
from store_kit import entropies, from_entropy, write_run

from crysmm_attn_plugin.hooks import hookimpl
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.records import Window
from crysmm_attn_plugin.reports.comparison import Comparison, compare_runs
from crysmm_attn_plugin.reports.trackers import plugin as tracking

N = 20
PREFIX = "attention/full_vs_no_middle"
WINDOW = Window("w", "digest", "test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms on disk."""
    out = tmp_path_factory.mktemp("tracked") / "runs"
    entropy = entropies(N)
    write_run(out, "no_middle", from_entropy(entropy))
    write_run(out, "full", from_entropy(0.8 * entropy + 0.01 * np.arange(N)))
    return out


@pytest.fixture
def comparison(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """The arms compared, in a process that has captured nothing yet."""
    monkeypatch.setattr(tracking, "_during_capture", {})
    for name in ("MLFLOW_RUN_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return compare_runs(full=runs / "full", no_middle=runs / "no_middle", n_resamples=200)


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """MLflow with a store of its own in files; no run is active before or after."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    earlier = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    yield mlflow
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(earlier)


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """W&B that never asks a server."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb = pytest.importorskip("wandb")
    yield wandb
    wandb.finish()


def read_mlflow(mlflow: ModuleType, run_id: str) -> tuple[dict[str, float], dict[str, str], set[str]]:
    client = mlflow.MlflowClient()
    data = client.get_run(run_id).data
    files = {a.path for a in client.list_artifacts(run_id, "attention_report")}
    files |= {a.path for a in client.list_artifacts(run_id, "attention_report/figures")}
    return data.metrics, data.tags, files


def expected(comparison: Comparison) -> dict[str, float]:
    (pair,) = comparison.result.pairs
    numbers = {
        f"{PREFIX}/mae": pair.performance.mae_arm,
        f"{PREFIX}/mae_baseline": pair.performance.mae_baseline,
    }
    for m in pair.primary():
        numbers |= {
            f"{PREFIX}/{m.metric}/mean_difference": m.paired.mean_difference,
            f"{PREFIX}/{m.metric}/percent_change": m.paired.percent_change,
            f"{PREFIX}/{m.metric}/p_adjusted": m.p_adjusted,
            f"{PREFIX}/{m.metric}/g_z": m.paired.g_z,
        }
    assert len(numbers) == 18
    return numbers


# -- MLflow ------------------------------------------------------------------------------------------------------


def test_numbers_figures_and_files_go_to_the_active_mlflow_run(
    comparison: Comparison, mlflow: ModuleType, tmp_path: Path
) -> None:
    with mlflow.start_run() as run:
        comparison.write(tmp_path / "report", formats=["figures", "paragraphs"], lang=["en"])
        assert mlflow.active_run().info.run_id == run.info.run_id
    metrics, tags, files = read_mlflow(mlflow, run.info.run_id)
    for name, value in expected(comparison).items():
        assert metrics[name] == pytest.approx(value)
    assert tags[f"{PREFIX}/verdict"] == comparison.result.pairs[0].verdict
    assert "95% CI" in tags[f"{PREFIX}/headline"]
    assert {"attention_report/result.json", "attention_report/paragraphs.en.md"} <= files
    assert "attention_report/figures/attention_statistics_comparison.png" in files


def test_a_run_that_was_active_during_the_capture_gets_the_report_after_it_has_ended(
    comparison: Comparison, mlflow: ModuleType, tmp_path: Path
) -> None:
    with mlflow.start_run() as run:
        get_plugin_manager().hooks.window_opened(window=WINDOW)
    comparison.write(tmp_path / "report", formats=["json"])
    metrics, _, files = read_mlflow(mlflow, run.info.run_id)
    assert expected(comparison).keys() <= metrics.keys()
    assert "attention_report/result.json" in files
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_run_named_by_the_environment_is_used_where_none_is_active(
    comparison: Comparison, mlflow: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow.start_run() as run:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    comparison.write(tmp_path / "report", formats=["json"])
    assert expected(comparison).keys() <= read_mlflow(mlflow, run.info.run_id)[0].keys()


def test_no_run_of_mlflow_is_started_for_the_report(
    comparison: Comparison, mlflow: ModuleType, tmp_path: Path
) -> None:
    comparison.write(tmp_path / "report", formats=["json"])
    assert mlflow.search_runs(search_all_experiments=True, output_format="list") == []


def test_the_setting_turns_it_off(runs: Path, mlflow: ModuleType, tmp_path: Path) -> None:
    entropy = entropies(N)
    run = write_run(tmp_path / "runs", "full", from_entropy(entropy))
    run.info["settings"] = {"report": {"track": False}}
    alone = compare_runs(full=[run], n_resamples=200)
    with mlflow.start_run() as active:
        alone.write(tmp_path / "report", formats=["json"])
    assert read_mlflow(mlflow, active.info.run_id)[0] == {}


def test_one_arm_alone_is_logged_by_its_means(runs: Path, mlflow: ModuleType, tmp_path: Path) -> None:
    alone = compare_runs(full=runs / "full", n_resamples=200)
    with mlflow.start_run() as run:
        alone.write(tmp_path / "report", formats=["json"])
    metrics, _, _ = read_mlflow(mlflow, run.info.run_id)
    assert metrics["attention/full/entropy"] == pytest.approx(alone.result.arms[0].means["entropy"])
    assert metrics["attention/full/mae"] == pytest.approx(0.1)


def test_a_tracker_that_fails_is_told_in_one_line_and_the_report_is_there(
    comparison: Comparison,
    mlflow: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with caplog.at_level(logging.WARNING, "crysmm_attn"):
        out = comparison.write(tmp_path / "report", formats=["json"])
    assert (out / "result.json").is_file()
    (record,) = [r for r in caplog.records if "not logged" in r.message]
    assert record.message.startswith("the report was not logged to MLflow: ")
    assert "\n" not in record.message


FLAGGED = f"""
import crysmm_attn_plugin.startup
crysmm_attn_plugin.startup.start()  # what the installed start-up file does
{HEAD}
import mlflow
torch.manual_seed(int(os.environ["HOST_SEED"]))
net = CrystalTextNet(OwnDropout)
test_loader = make_loader(12, 4)
with mlflow.start_run() as run:
    test_loop(net, test_loader)
print(run.info.run_id)
"""


@pytest.mark.slow
def test_the_automatic_report_of_a_host_with_the_flag_is_in_the_hosts_own_run(
    mlflow: ModuleType, tmp_path: Path
) -> None:
    write_host(tmp_path, FLAGGED, head="")
    run_ids = []
    for seed, arm in enumerate(("no_middle", "full")):
        env = {
            **os.environ, "CRYSMM_ATTN_ENABLED": "1", "CRYSMM_ATTN_ARM": arm, "CRYSMM_ATTN_OUT_DIR": "runs",
            "CRYSMM_ATTN_REPORT_LANG": "en", "HOST_SEED": str(seed), "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "host.py"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        run_ids.append(done.stdout.split()[-1])
    assert f"crysmm-attn: report logged to MLflow ({run_ids[1]})" in done.stderr.splitlines()
    assert read_mlflow(mlflow, run_ids[0])[0] == {}
    metrics, _, files = read_mlflow(mlflow, run_ids[1])
    assert f"{PREFIX}/entropy/percent_change" in metrics
    assert "attention_report/report.html" in files


# -- TensorBoard -------------------------------------------------------------------------------------------------


def scalars_in(folder: Path) -> tuple[dict[str, float], dict[str, list[str]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {t: events.Scalars(t)[-1].value for t in events.Tags()["scalars"]}, events.Tags()


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed_since_the_capture"])
def test_numbers_and_figures_go_to_the_hosts_summary_writer(
    comparison: Comparison, tmp_path: Path, closed: bool
) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path / "tb"))
    below = SummaryWriter(str(tmp_path / "tb" / "val"))
    writer.add_scalar("loss", 1.0, 7)
    get_plugin_manager().hooks.window_opened(window=WINDOW)
    if closed:
        below.close()
        writer.close()
        del writer, below
    comparison.write(tmp_path / "report", formats=["figures"], lang=["en"])
    if not closed:
        writer.close()
        below.close()
    values, tags = scalars_in(tmp_path / "tb")
    assert values["loss"] == 1.0
    for name, value in expected(comparison).items():
        assert values[name] == pytest.approx(value, rel=1e-5)
    assert "attention/figures/attention_statistics_comparison" in tags["images"]
    assert any(t.startswith(f"{PREFIX}/headline") for t in tags["tensors"])
    assert scalars_in(tmp_path / "tb" / "val")[0] == {}


# -- Weights & Biases --------------------------------------------------------------------------------------------


def logged(log: bytes) -> Iterator[bytes]:
    """Records of W&B's log: 7 bytes of head, then LevelDB's format, blocks of 32 KiB with records cut at their ends."""
    place, whole = 7, b""
    while place + 7 <= len(log):
        room = 32768 - place % 32768
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack_from("<IHB", log, place)
        whole += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or last part
            yield whole
            whole = b""


def records_in(folder: Path, run_id: str, segments: int) -> tuple[dict[str, object], list[str]]:
    """Summary and artifact names of an offline run, from its own log, which W&B may still be writing."""
    from wandb.proto import wandb_internal_pb2

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        summary: dict[str, object] = {}
        artifacts, ends = [], 0
        for segment in sorted((folder / "wandb").glob(f"*{run_id}/*.wandb")):
            for data in logged(segment.read_bytes()):
                record = wandb_internal_pb2.Record()
                record.ParseFromString(data)
                for item in record.summary.update:
                    summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
                if record.HasField("artifact"):
                    artifacts.append(record.artifact.name)
                ends += record.HasField("exit")
        if ends == segments:
            return summary, artifacts
        time.sleep(0.2)
    raise AssertionError(f"{ends} of {segments} segments of the run ended")


@pytest.mark.parametrize("state", ["active", "ended_since_the_capture", "named_by_the_environment"])
def test_numbers_figures_and_files_go_to_the_hosts_wandb_run(
    comparison: Comparison, wandb: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    run = wandb.init(project="host", dir=str(tmp_path))
    if state != "named_by_the_environment":
        get_plugin_manager().hooks.window_opened(window=WINDOW)
    if state != "active":
        run.finish()
        assert wandb.run is None
    if state == "named_by_the_environment":
        wandb.teardown()  # as in a new process
        monkeypatch.setenv("WANDB_RUN_ID", run.id)
        monkeypatch.chdir(tmp_path)  # where W&B writes unless told otherwise
    comparison.write(tmp_path / "report", formats=["figures"], lang=["en"])
    assert (wandb.run is None) == (state != "active")
    run.finish()
    summary, artifacts = records_in(tmp_path, run.id, 1 if state == "active" else 2)
    for name, value in expected(comparison).items():
        assert summary[name] == pytest.approx(value)
    assert summary[f"{PREFIX}/verdict"] == comparison.result.pairs[0].verdict
    assert summary["attention/figures/attention_statistics_comparison/_type"] == "image-file"
    assert f"attention_report-{run.id}" in artifacts


def test_a_disabled_wandb_run_is_left_alone(
    comparison: Comparison, wandb: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = wandb.init(mode="disabled")
    with caplog.at_level(logging.WARNING, "crysmm_attn"):
        comparison.write(tmp_path / "report", formats=["json"])
    run.finish()
    assert not [r for r in caplog.records if "logged" in r.message]


# -- the hook ----------------------------------------------------------------------------------------------------


def test_every_way_of_writing_a_report_calls_the_hook(
    runs: Path, comparison: Comparison, tmp_path: Path
) -> None:
    told: list[tuple[int, str]] = []

    @hookimpl
    def attn_report_written(comparison: Comparison, report_dir: str) -> None:
        assert (Path(report_dir) / "result.json").is_file()
        told.append((len(comparison.result.pairs), report_dir))

    from crysmm_attn_plugin.cli import main

    manager = get_plugin_manager()
    plugin = type("ThirdParty", (), {"attn_report_written": staticmethod(attn_report_written)})
    manager.register(plugin, "told_of_reports")
    try:
        comparison.write(tmp_path / "a", formats=["json"])
        words = ["report", str(runs), "--out", str(tmp_path / "b"), "--format", "json", "--resamples", "200"]
        assert main(words) == 0
    finally:
        manager.pm.unregister(name="told_of_reports")
    assert told == [(1, str(tmp_path / "a")), (1, str(tmp_path / "b"))]


def test_no_tracker_is_imported_where_the_host_has_none(runs: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom crysmm_attn_plugin.cli import main\n"
        f"assert main(['report', {str(runs)!r}, '--out', 'report', '--format', 'json', '--resamples', '200']) == 0\n"
        "print([m for m in ('mlflow', 'wandb', 'tensorboard', 'tensorboardX') if m in sys.modules])\n"
    )
    write_host(tmp_path, code, head="")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "host.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    listed = command_line(tmp_path, "plugins")
    (line,) = [x for x in listed.stdout.splitlines() if x.startswith("tracking (built in")]
    assert "attn_report_written" in line
    assert our_lines(listed) == []
