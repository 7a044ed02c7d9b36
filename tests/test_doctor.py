"""``doctor`` and ``verify`` over real hosts: what would be captured, what stands in the way, and that nothing changes."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from process_kit import BODY, command_line, our_lines, write_host
from zoo.runner import HOSTS

pytestmark = pytest.mark.slow


def doctor(folder: Path, *words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """``crysmm-attn doctor`` over ``host.py``, or over a command."""
    told = command_line(folder, "doctor", *flags, "--", *(words or (sys.executable, "host.py")))
    assert ".." not in told.stdout, told.stdout
    assert "Traceback" not in told.stderr, told.stderr
    return told


def test_doctor_says_what_would_be_captured_and_stops_the_host(tmp_path: Path) -> None:
    write_host(tmp_path)
    told = doctor(tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith(f"interpreter: {sys.executable} has crysmm-attn ")
    assert "loop: 1. DataLoader over Crystals, 12 items, bound to test_loader: test; captured" in lines
    assert "model: CrystalTextNet" in lines
    assert any(
        line.startswith("attention: fusions.0 (4 x 2 x ") and line.endswith(": atom_to_text")
        for line in lines
    )
    assert "ids: JVASP-100, JVASP-101, JVASP-102" in lines
    assert "host is done" not in told.stdout + told.stderr
    assert not (tmp_path / "predictions_test.csv").exists()
    assert not (tmp_path / "attention_runs").exists()


TRAINING = """
net = CrystalTextNet(OwnDropout)
optimizer = torch.optim.SGD(net.parameters(), 1e-3)
def epoch():
    for batch in train_dl:
        net(batch).sum().backward()
        optimizer.step()
train_dl, dl = make_loader(8, 4), make_loader(12, 4)
"""


def test_doctor_goes_past_training_to_the_test_pass(tmp_path: Path) -> None:
    write_host(
        tmp_path, TRAINING + "epoch()\ntest_loop(net, dl)\nopen('a.csv', 'w')\nprint('host is done')\n"
    )
    told = doctor(tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    first, second = (line for line in told.stdout.splitlines() if line.startswith("loop: "))
    assert first == "loop: 1. DataLoader over Crystals, 8 items, bound to train_dl: train; not captured"
    assert second.startswith("loop: 2. DataLoader over Crystals, 12 items, bound to ")
    assert second.endswith(": not named; captured, because it does not train")
    assert "host is done" not in told.stdout + told.stderr


def test_doctor_lists_loops_that_nobody_named_and_leaves_before_the_host_writes(tmp_path: Path) -> None:
    loops = "test_loop(net, train_dl)\ntest_loop(net, dl)\nopen('predictions.csv', 'w').write('0')\nprint('host is done')\n"
    write_host(tmp_path, TRAINING.replace("train_dl", "first") + loops.replace("train_dl", "first"))
    (tmp_path / "predictions.csv").write_text("of a real training")
    told = doctor(tmp_path, flags=("--time-limit", "60"))
    assert told.returncode == 0, told.stdout + told.stderr
    first, second = (line for line in told.stdout.splitlines() if line.startswith("loop: "))
    assert first.endswith(": not named; captured as loop_1, because it does not train")
    assert second.endswith(": not named; captured as loop_2, because it does not train")
    assert "note: nobody named 2 loops that do not train" in told.stdout
    assert (tmp_path / "predictions.csv").read_text() == "of a real training"


def test_doctor_does_not_wait_for_the_end_of_training(tmp_path: Path) -> None:
    write_host(tmp_path, TRAINING + "while True: epoch()\n")
    told = doctor(tmp_path, flags=("--time-limit", "90"))
    assert "train; not captured" in told.stdout
    assert "fusions.0" in told.stdout
    assert told.returncode == 0


def test_doctor_asks_a_plugin_that_identifies_batches(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "namer-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "namer.py").write_text(
        "from crysmm_attn_plugin.hooks import hookimpl\n"
        "from crysmm_attn_plugin.records import BatchIdentity\n"
        "@hookimpl\n"
        "def attn_identify_batch(inputs, window):\n"
        "    n = inputs.batch[1].sum(1).tolist()\n"
        "    return BatchIdentity(tuple(f'mine-{i}' for i in range(len(n))), tuple(('Si',) * k for k in n))\n",
        encoding="utf-8",
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: namer\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[crysmm_attn]\nnamer = namer\n", encoding="utf-8")
    write_host(tmp_path)
    told = command_line(tmp_path, "doctor", "--", sys.executable, "host.py", python_path=(site,))
    assert "ids: mine-0, mine-1, mine-2" in told.stdout, told.stdout + told.stderr
    assert "elements of the first: Si" in told.stdout
    lines = told.stdout.splitlines()
    assert "identity: told by namer (namer 1.0)" in lines
    assert "plugin: namer (namer 1.0) implements attn_identify_batch; answered: attn_identify_batch" in lines
    assert lines[1].startswith("host: known to no adapter")


@pytest.mark.parametrize(
    ("host", "says", "never"),
    [
        ("diverged", "has diverged", "ids"),
        ("no_cross_attention", "no attention between atoms and tokens was seen in Pooled", "ids"),
        ("no_attention", "no attention was seen in Bag", "ids"),
    ],
)
def test_doctor_says_what_is_missing_and_asks_for_nothing_else(
    tmp_path: Path, host: str, says: str, never: str
) -> None:
    told = doctor(tmp_path, sys.executable, str(HOSTS / f"{host}.py"))
    assert told.returncode == 3
    (problem,) = [line for line in told.stdout.splitlines() if line.startswith("problem: ")]
    assert says in problem
    assert never not in problem


def test_doctor_tells_of_an_interpreter_that_reads_no_start_up_file(tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text("print('host is done')\n", encoding="utf-8")
    told = doctor(tmp_path, sys.executable, "-S", "host.py")
    assert told.returncode == 3
    assert told.stdout.startswith("problem: python -S reads no start-up file")
    assert "has crysmm-attn" in doctor(tmp_path, sys.executable, "-I", "host.py").stdout


def test_doctor_tells_of_an_interpreter_without_the_package(tmp_path: Path) -> None:
    """Isolated, so that the folder on PYTHONPATH, which reaches such interpreters, does not either."""
    venv.EnvBuilder(with_pip=False).create(tmp_path / "env")
    (tmp_path / "host.py").write_text("print('host is done')\n", encoding="utf-8")
    python = str(tmp_path / "env" / "bin" / "python")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    told = subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", "doctor", "--", python, "-I", "host.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip
    assert told.returncode == 3
    assert f"problem: {python} does not have crysmm-attn; install it there" in told.stdout


def test_verify_proves_a_deterministic_host_identical(tmp_path: Path) -> None:
    write_host(tmp_path)
    done = command_line(tmp_path, "verify", "--", sys.executable, "host.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model outputs: 3 tensors, bit-identical with capture on" in done.stdout
    assert "prediction files: 1, byte-identical with capture on" in done.stdout
    assert "captured in the third run: 12 crystals" in done.stdout


def test_verify_says_so_when_the_host_does_not_repeat_itself(tmp_path: Path) -> None:
    write_host(tmp_path, "torch.seed()\n" + BODY)
    done = command_line(tmp_path, "verify", "--", sys.executable, "host.py")
    assert done.returncode == 1
    assert done.stdout.startswith("the host does not repeat itself without the plugin")
    assert "fix its random seeds" in done.stdout


def test_verify_of_a_failing_host_is_one_sentence(tmp_path: Path) -> None:
    write_host(tmp_path, "sys.exit(7)")
    done = command_line(tmp_path, "verify", "--", sys.executable, "host.py")
    assert done.returncode == 1
    assert our_lines(done) == [
        "crysmm-attn: error: the host's command ended with exit code 7; it must succeed to be compared."
    ]


FAST_PATH = """
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.token, self.encoder = nn.Linear(4, 8), nn.TransformerEncoder(layer, 2)
    def forward(self, batch):
        return self.encoder(self.token(batch[2]), src_key_padding_mask=~batch[3]).sum((1, 2))
dl = make_loader(12, 4)
predictions = test_loop(Encoder(), dl)
"""


def test_verify_digests_loops_that_nobody_named_and_leaves_fast_paths_on(tmp_path: Path) -> None:
    """Its own evidence is taken without a hook on any module, else it would compare three slow paths."""
    write_host(tmp_path, FAST_PATH + "print(float((predictions - predictions.round()).sum()))\n")
    done = command_line(tmp_path, "verify", "--", sys.executable, "host.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model outputs: 3 tensors, bit-identical with capture on" in done.stdout
    plain = subprocess.run(
        [sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) >= set(plain.stdout.split())
