"""Hosts as real processes under the command line: unedited, their exit codes and outputs their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from process_kit import BODY, HEAD, ROOT, command_line, our_lines, run_host, write_host

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.store.reader import find_runs
from crysmm_attn_plugin.store.shards import merge_shards

pytestmark = pytest.mark.slow


def opened(folder: Path, arm: str = "full"):
    return attn.open_run(folder / "runs" / arm, allow_partial=True)


def test_a_test_pass_of_an_unedited_host_is_captured(tmp_path: Path) -> None:
    write_host(tmp_path)
    plain = subprocess.run(
        [sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    before = (tmp_path / "predictions_test.csv").read_bytes()
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain.stdout == "host is done\n"
    assert (tmp_path / "predictions_test.csv").read_bytes() == before
    run = opened(tmp_path)
    assert run.state == "complete"
    assert sorted(run.samples["id"]) == sorted(f"JVASP-{100 + i}" for i in range(12))
    assert set(run.attention["direction"]) == {"atom_to_text"}
    assert [w.window.split for w in run.windows] == ["test"]
    assert our_lines(done) == [f"crysmm-attn: 12 crystals captured into {run.path}"]


@pytest.mark.parametrize("code", [3, 7])
def test_the_hosts_exit_code_is_kept(tmp_path: Path, code: int) -> None:
    write_host(tmp_path, BODY + f"sys.exit({code})\n")
    done = run_host(tmp_path)
    assert done.returncode == code
    run = opened(tmp_path)
    assert len(run.samples) == 12
    assert run.state == "partial"
    assert f"exit code {code}" in run.reason


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_host_ended_by_a_signal_keeps_what_was_captured(tmp_path: Path, name: str) -> None:
    write_host(tmp_path, BODY + f"sys.stdout.flush(); os.kill(os.getpid(), signal.{name})\n")
    done = run_host(tmp_path)
    assert done.returncode == {"SIGTERM": 143, "SIGKILL": 137}[name]
    assert done.stdout == "host is done\n"
    run = opened(tmp_path)
    assert run.state == "partial"
    assert len(run.samples) == 12


def test_a_host_that_crashes_in_a_pass_keeps_its_traceback_and_the_pass_is_partial(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        """
        net = CrystalTextNet(OwnDropout).eval()
        test_loader = make_loader(12, 4)
        for number, batch in enumerate(test_loader):
            if number == 2:
                raise ZeroDivisionError("the host's own fault")
            net(batch)
        """,
    )
    done = run_host(tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError: the host's own fault" in done.stderr
    run = opened(tmp_path)
    (outcome,) = run.windows
    assert outcome.state == "partial"
    assert outcome.n_crystals == 8
    status = command_line(tmp_path, "status", "runs")
    assert status.returncode == 4
    assert "partial" in status.stdout
    assert "exit code 1" in status.stdout


def test_no_such_program_is_one_sentence(tmp_path: Path) -> None:
    done = run_host(tmp_path, "no-such-program", "train.py")
    assert done.returncode == 2
    assert done.stderr.startswith("crysmm-attn: error: no-such-program: no such program")
    assert len(done.stderr.splitlines()) == 1


def write_plugin(folder: Path, name: str, code: str) -> Path:
    """A third-party package with an entry point, as pip would have installed it."""
    site = folder / "site"
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text(code, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[crysmm_attn]\n{name} = {name}\n", encoding="utf-8")
    return site


def test_a_plugin_that_cannot_be_imported_is_reported_and_skipped(tmp_path: Path) -> None:
    site = write_plugin(tmp_path, "broken_section", "raise ImportError('needs a newer something')\n")
    write_host(tmp_path)
    done = run_host(tmp_path, python_path=(site,))
    assert done.returncode == 0
    assert "host is done" in done.stdout
    assert len(opened(tmp_path).samples) == 12
    assert any("broken_section" in line and "needs a newer something" in line for line in our_lines(done))
    listed = command_line(tmp_path, "plugins", python_path=(site,))
    assert listed.returncode == 0
    assert (
        "broken_section (broken_section 1.0): not loaded: ImportError: needs a newer something"
        in listed.stdout
    )


def test_a_plugin_whose_hook_raises_is_skipped_and_the_rows_are_written(tmp_path: Path) -> None:
    code = (
        "from crysmm_attn_plugin.hooks import hookimpl\n"
        "@hookimpl\n"
        "def attn_batch_metrics(weights, query_mask, key_mask, context):\n"
        "    raise RuntimeError('metric of a third party')\n"
    )
    site = write_plugin(tmp_path, "broken_metric", code)
    write_host(tmp_path)
    done = run_host(tmp_path, python_path=(site,))
    assert done.returncode == 0
    assert len(opened(tmp_path).samples) == 12
    told = [line for line in our_lines(done) if "metric of a third party" in line]
    assert len(told) == 1
    assert "broken_metric" in told[0]


def test_an_existing_sitecustomize_still_runs(tmp_path: Path) -> None:
    site = tmp_path / "theirs"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.theirs_ran = True\n", encoding="utf-8")
    write_host(tmp_path, BODY + "import sitecustomize\nprint(sys.theirs_ran, sitecustomize.__file__)\n")
    done = run_host(tmp_path, python_path=(site,))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"True {site / 'sitecustomize.py'}"
    assert len(opened(tmp_path).samples) == 12


@pytest.mark.parametrize("mode", ["capture", "flag", "probe"])
def test_a_host_imports_every_library_before_us(mode: str) -> None:
    """Its path and its settings of threads come first: nothing but Python's own and ours is loaded by being started."""
    code = (
        "import sys; before = set(sys.modules); from crysmm_attn_plugin.startup import _activate; "
        f"_activate({mode!r}); print(*{{name.partition('.')[0] for name in set(sys.modules) - before}})"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "crysmm_attn_plugin" in loaded
    assert loaded - {"crysmm_attn_plugin"} <= sys.stdlib_module_names


def test_a_broken_plugin_installation_leaves_the_host_running(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow" / "pluggy"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise RuntimeError('half an installation')\n", encoding="utf-8")
    write_host(
        tmp_path, f"sys.path.insert(0, {str(shadow.parent)!r})\n" + BODY + "print('exit'); sys.exit(5)\n"
    )
    done = run_host(tmp_path)
    assert done.returncode == 5
    assert done.stdout.splitlines() == ["host is done", "exit"]
    (line,) = our_lines(done)
    assert line == "crysmm-attn: capture ended, the host goes on: RuntimeError: half an installation"


def test_spawned_loader_workers_do_not_capture_and_their_host_does(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        """
        def main():
            net = CrystalTextNet(OwnDropout)
            test_loader = make_loader(12, 4, num_workers=2, multiprocessing_context="spawn", persistent_workers=True)
            first = test_loop(net, test_loader)
            with torch.no_grad():
                net.out.bias.add_(1.0)
            assert not torch.equal(first, test_loop(net, test_loader))

        if __name__ == "__main__":
            main()
        """,
    )
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    run = opened(tmp_path)
    assert run.state == "complete", run.reason
    assert [o.n_crystals for o in run.windows] == [12, 12]
    assert run.samples.groupby("checkpoint")["id"].nunique().tolist() == [12, 12]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_child_process_that_tests_is_captured(tmp_path: Path, method: str) -> None:
    write_host(
        tmp_path,
        """
        import multiprocessing

        def evaluate(seed):
            torch.manual_seed(seed)
            net = CrystalTextNet(OwnDropout)
            test_loader = make_loader(8, 4)
            test_loop(net, test_loader)

        if __name__ == "__main__":
            evaluate(1)
            child = multiprocessing.get_context("METHOD").Process(target=evaluate, args=(2,))
            child.start()
            child.join()
            sys.exit(child.exitcode)
        """.replace("METHOD", method),
    )
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    run = opened(tmp_path)
    assert run.state == "complete"
    assert run.samples.groupby("checkpoint").size().tolist() == [8, 8]
    assert len(run.checkpoints) == 2


RANKS = """
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

dist.init_process_group("gloo")
net = DistributedDataParallel(CrystalTextNet(OwnDropout))
dataset = Crystals(11)
sampler = DistributedSampler(dataset, shuffle=False)
assert len(sampler) == 6  # 11 crystals over 2 ranks: one comes twice
test_loader = DataLoader(dataset, batch_size=2, sampler=sampler, collate_fn=collate)
PASS
dist.destroy_process_group()
"""
ATTACHED = """
import crysmm_attn_plugin as attn
for number in range(2):
    with attn.attach(net, loader=test_loader, out_dir="runs", arm="full"):
        test_loop(net, test_loader)
    dist.barrier()
"""


def torchrun() -> tuple[str, ...]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1")
    return (sys.executable, *words, "--master-port", port, "host.py")


def assert_one_run_of_eleven(run: attn.Run) -> None:
    assert run.state == "complete"
    assert sorted(run.samples["id"]) == sorted(f"JVASP-{100 + i}" for i in range(11))
    assert set(run.attention["module"]) == {"fusions.0"}
    keys = ["crystal", "head", "with_special_tokens", "stopwords_removed", "weights"]
    assert not run.attention.duplicated(keys).any()


def test_ranks_of_one_job_make_one_run_without_the_samplers_repeats(tmp_path: Path) -> None:
    write_host(tmp_path, RANKS.replace("PASS", "test_loop(net, test_loader)"))
    done = run_host(tmp_path, *torchrun())
    assert done.returncode == 0, done.stderr
    assert_one_run_of_eleven(opened(tmp_path))


def test_ranks_that_attach_agree_on_each_run(tmp_path: Path) -> None:
    write_host(tmp_path, RANKS.replace("PASS", ATTACHED))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        torchrun(), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    runs = sorted((tmp_path / "runs" / "full").iterdir())
    assert len(runs) == 2
    for run in runs:
        assert_one_run_of_eleven(attn.open_run(run))


SHARD = """
from torch.utils.data import DataLoader, Subset

task = int(os.environ["SLURM_ARRAY_TASK_ID"])
checkpoint, shard = divmod(task, 2)
torch.manual_seed(checkpoint)
net = CrystalTextNet(OwnDropout)
test_loader = DataLoader(Subset(Crystals(11), range(shard, 11, 2)), batch_size=2, collate_fn=collate)
test_loop(net, test_loader)
"""


def test_an_array_of_checkpoints_and_shards_fills_one_folder(tmp_path: Path) -> None:
    """Four jobs at once: two checkpoints, each over the two halves of one test set."""
    write_host(tmp_path, "import os\n" + SHARD)
    with ThreadPoolExecutor(4) as jobs:
        ended = list(jobs.map(lambda task: run_host(tmp_path, SLURM_ARRAY_TASK_ID=str(task)), range(4)))
    assert [done.returncode for done in ended] == [0] * 4, ended
    found = find_runs(tmp_path / "runs")
    assert [run.state for run in found] == ["complete"] * 4
    merged = merge_shards(found)
    assert len(merged) == 2
    assert len({c for run in merged for c in run.samples["checkpoint"]}) == 2
    for run in merged:
        assert sorted(run.samples["id"]) == sorted(f"JVASP-{100 + i}" for i in range(11))


@pytest.mark.parametrize("flags", [(), ("--strict",)], ids=["lenient", "strict"])
def test_only_strict_ends_the_host_with_the_reason(tmp_path: Path, flags: tuple[str, ...]) -> None:
    write_host(
        tmp_path,
        """
        class Relabelled(Crystals):
            def __getitem__(self, i):
                return (*super().__getitem__(i)[:2], self.labels[i] + 1.0)
        test_loader = make_loader(dataset=Relabelled(12), batch_size=4)
        test_loop(CrystalTextNet(OwnDropout), test_loader)
        print("host is done")
        """,
    )
    done = run_host(tmp_path, flags=flags)
    reason = "crystal 'JVASP-100' has target"
    if flags:
        assert done.returncode == 1
        assert f"CaptureError: attention capture failed: {reason}" in done.stderr
        assert done.stdout == ""
    else:
        assert done.returncode == 3
        assert done.stdout == "host is done\n"
        assert "Traceback" not in done.stderr
        assert reason in our_lines(done)[-1]


NO_ATTENTION = """
class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 1)
    def forward(self, batch):
        return self.out(batch[0]).sum((1, 2))
test_loader = make_loader(12, 4)
test_loop(Plain(), test_loader)
print("host is done")
"""


def test_a_host_without_attention_is_one_sentence_and_exit_code_three(tmp_path: Path) -> None:
    write_host(tmp_path, NO_ATTENTION)
    done = run_host(tmp_path)
    assert done.returncode == 3
    assert done.stdout == "host is done\n"
    (line,) = our_lines(done)
    assert line.startswith(
        "crysmm-attn: nothing captured: no attention was seen in Plain: it has none, or forms it where"
    )
    assert not (tmp_path / "runs").exists()


def test_a_loop_that_nobody_named_is_taken_by_elimination_and_told(tmp_path: Path) -> None:
    write_host(tmp_path, BODY.replace("test_loader", "shuffled_batches"))
    done = run_host(tmp_path)
    assert done.returncode == 0
    (outcome,) = opened(tmp_path).windows
    assert outcome.n_crystals == 12
    assert "split_by_elimination" in {a.code for a in outcome.alarms}


def test_a_compiled_model_is_left_alone_and_told(tmp_path: Path) -> None:
    code = BODY.replace(
        "net = CrystalTextNet(OwnDropout)", "net = torch.compile(CrystalTextNet(OwnDropout), backend='eager')"
    )
    write_host(tmp_path, code)
    subprocess.run([sys.executable, "host.py"], cwd=tmp_path, capture_output=True, check=True)
    before = (tmp_path / "predictions_test.csv").read_bytes()
    done = run_host(tmp_path)
    assert done.returncode == 3
    assert (tmp_path / "predictions_test.csv").read_bytes() == before
    assert "compiled by torch.compile" in our_lines(done)[-1]
    assert "Traceback" not in done.stderr


STRICT_CONFIG = """
import json, pydantic
class ModelConfig(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    width: int = 16
class TrainingConfig(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    epochs: int
    model: ModelConfig = ModelConfig()
config = BUILD
assert config.epochs == 2
assert "crysmm_attn" not in config.model_dump()
"""


@pytest.mark.parametrize(
    "build",
    [
        "TrainingConfig(**json.load(open('config.json')))",
        "TrainingConfig.model_validate(json.load(open('config.json')))",
        "TrainingConfig.model_validate_json(open('config.json').read())",
    ],
    ids=["keywords", "model_validate", "model_validate_json"],
)
def test_the_flag_in_a_strict_config_is_taken_before_the_hosts_class_sees_it(
    tmp_path: Path, build: str
) -> None:
    config = {"epochs": 2, "crysmm_attn": {"enabled": True, "arm": "from_config", "maps": "none"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_host(tmp_path, STRICT_CONFIG.replace("BUILD", build) + BODY)
    done = command_line(tmp_path, "run", "--out", "runs", "--no-report", "--", sys.executable, "host.py")
    assert done.returncode == 0, done.stderr
    run = opened(tmp_path, "from_config")
    assert len(run.samples) == 12
    assert run.info["settings"]["maps"] == "none"


def test_a_wrong_setting_in_the_hosts_config_warns_and_stays_off(tmp_path: Path) -> None:
    config = {"epochs": 2, "crysmm_attn": {"arms": "full"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_host(
        tmp_path, STRICT_CONFIG.replace("BUILD", "TrainingConfig(**json.load(open('config.json')))") + BODY
    )
    done = run_host(tmp_path)
    assert done.returncode == 3
    assert "host is done" in done.stdout
    assert any("unknown setting 'arms'" in line and "'arm'" in line for line in our_lines(done))


def test_a_wrong_flag_is_said_before_the_host_starts(tmp_path: Path) -> None:
    write_host(tmp_path)
    done = run_host(tmp_path, flags=("--windows", "sometimes"))
    assert done.returncode == 2
    assert "host is done" not in done.stdout
    assert len(done.stderr.splitlines()) == 1


def test_epoch_passes_and_checkpoint_files_are_told_apart_from_the_final_pass(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        """
        net = CrystalTextNet(OwnDropout)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        train_loader, test_loader = make_loader(8, 4, shuffle=True), make_loader(12, 4)
        for epoch in range(3):
            net.train()
            for batch in train_loader:
                optimizer.zero_grad()
                (net(batch) - batch[4]).square().mean().backward()
                optimizer.step()
            test_loop(net, test_loader)
            if epoch == 1:
                torch.save({"model": net.state_dict(), "epoch": epoch, "val_mae": 0.5}, "best_val_model.pt")
        net.load_state_dict(torch.load("best_val_model.pt")["model"])
        test_loop(net, test_loader)
        """,
    )
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    run = opened(tmp_path)
    roles = {c.role: c for c in run.checkpoints}
    assert set(roles) == {"best_val", "last"}
    assert roles["best_val"].metrics == {"val_mae": 0.5}
    assert run.checkpoint().role == "best_val"
    assert run.samples.groupby("checkpoint").size().tolist() == [12, 12]


def test_status_of_a_complete_run(tmp_path: Path) -> None:
    write_host(tmp_path)
    run_host(tmp_path)
    done = command_line(tmp_path, "status", "runs")
    assert done.returncode == 0
    assert "arm full" in done.stdout
    assert "pass test, attached" in done.stdout
    assert "complete, 12 crystals, 3 of 3 module calls" in done.stdout


def test_status_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    done = command_line(tmp_path, "status", "runs")
    assert done.returncode in (2, 3)
    assert len(done.stderr.splitlines()) == 1


def test_plugins_lists_the_built_in_ones(tmp_path: Path) -> None:
    done = command_line(tmp_path, "plugins")
    assert done.returncode == 0
    for name, hook in {
        "hosts": "attn_host_adapters",
        "reports": "attn_run_finished",
    }.items():
        (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"{name} (built in")]
        assert hook in line


def test_the_launcher_reaches_a_host_whose_python_path_lacks_the_plugin(tmp_path: Path) -> None:
    write_host(tmp_path)
    (tmp_path / "start.py").write_text(
        "import os, subprocess, sys\n"
        "os.environ['PYTHONPATH'] = os.environ['PYTHONPATH'].split(os.pathsep)[0]\n"
        "sys.exit(subprocess.call([sys.executable, 'host.py']))\n",
        encoding="utf-8",
    )
    done = run_host(tmp_path, sys.executable, "start.py")
    assert done.returncode == 0, done.stderr
    assert len(opened(tmp_path).samples) == 12


def test_head_of_every_host_is_free_of_the_plugin() -> None:
    assert "crysmm" not in HEAD + BODY
