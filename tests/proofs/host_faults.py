"""``python -m tests.proofs.host_faults``: a host in a bad place, with and without us.

Each fault is put to the same host twice, once alone and once under ``crysmm-attn run``: what it prints, what it predicts and
its own tracebacks must be the same. Exit codes too, but for ours: 3 (nothing captured, one sentence why) where the host
ended well, 2 where our own arguments are refused before it starts.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.process_kit import BODY, ROOT, write_host

PASS = "net = CrystalTextNet(OwnDropout).eval()\ntest_loader = make_loader(12, 4)\n"
LOOP = PASS + "with torch.no_grad():\n  for n, batch in enumerate(test_loader):\n"


@dataclass(frozen=True)
class Fault:
    """One bad place.

    Attributes:
        before, after: The host's code before and after its test pass.
        code: Its whole code instead.
        env: Variables; None takes one away.
        files: Called with the host's folder.
        limits: Called in the process that becomes the host.
        shell: Added to the command, for a shell.
    """

    before: str = ""
    after: str = ""
    code: str = ""
    env: dict[str, str | None] = field(default_factory=dict)
    files: Callable[[Path], object] | None = None
    limits: Callable[[], object] | None = None
    shell: str = ""


def _limit(what: int, n: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (n, n))


def _arm_is_a_file(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "full").write_text("x")


def _failing(name: str, error: str, every: int = 1) -> str:
    return (f"import os\n_real, _n = os.{name}, [0]\ndef _bad(*a, **k):\n    _n[0] += 1\n    if _n[0] % {every} == 0: raise OSError({error})\n"
            f"    return _real(*a, **k)\nos.{name} = _bad\n")  # fmt: skip


FAULTS: dict[str, Fault] = {
    "ascii locale": Fault(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "ascii streams": Fault(env={"PYTHONIOENCODING": "ascii"}),
    "home missing": Fault(env={"HOME": "/nonexistent"}),
    "home unset": Fault(env={"HOME": None}),
    "TMPDIR missing": Fault(env={"TMPDIR": "/nonexistent/tmp"}),
    "warnings are errors": Fault(env={"PYTHONWARNINGS": "error"}),
    "python -OO": Fault(env={"PYTHONOPTIMIZE": "2"}),
    "developer mode": Fault(env={"PYTHONDEVMODE": "1"}),
    "24 files at once": Fault(limits=_limit(resource.RLIMIT_NOFILE, 24)),
    "host uses up its files": Fault(
        before="import os\nkept = []\ntry:\n    while True: kept.append(os.open('/dev/null', 0))\nexcept OSError: pass\n"
        "for f in kept[-3:]: os.close(f)\n",
        limits=_limit(resource.RLIMIT_NOFILE, 200),
    ),
    "files of 20 kB at most": Fault(limits=_limit(resource.RLIMIT_FSIZE, 20_000)),
    "umask 777": Fault(limits=lambda: os.umask(0o777)),
    "stdout closed": Fault(shell=">&-"),
    "stderr closed": Fault(shell="2>&-"),
    "stdin closed": Fault(shell="<&-"),
    "output into head": Fault(after="for i in range(200000): print(i)\n", shell="| head -1"),
    "arm is a file": Fault(files=_arm_is_a_file),
    "runs is a loop of links": Fault(files=lambda d: (d / "runs").symlink_to("runs")),
    "runs leads nowhere": Fault(files=lambda d: (d / "runs").symlink_to("/nonexistent/x")),
    "settings are a loop of links": Fault(files=lambda d: (d / "crysmm_attn.toml").symlink_to("crysmm_attn.toml")),
    "settings are a folder": Fault(files=lambda d: (d / "crysmm_attn.toml").mkdir()),
    "settings are a pipe": Fault(files=lambda d: os.mkfifo(d / "crysmm_attn.toml")),
    "settings in Latin-1": Fault(files=lambda d: (d / "crysmm_attn.toml").write_bytes(b'arm="\xe9"')),
    "settings are garbage": Fault(files=lambda d: (d / "crysmm_attn.toml").write_bytes(bytes(range(256)))),
    "variable of a wrong kind": Fault(env={"CRYSMM_ATTN_MEMORY_MB": "lots"}),
    "variable unknown": Fault(env={"CRYSMM_ATTN_NOPE": "1"}),
    "variable of 100,000 letters": Fault(env={"CRYSMM_ATTN_ARM": "x" * 100_000}),
    "folder removed after the pass": Fault(after="import tempfile, shutil\nt = tempfile.mkdtemp(); os.chdir(t); shutil.rmtree(t)\n"),
    "folder removed before the pass": Fault(
        code="import tempfile, shutil\nhome = os.getcwd(); t = tempfile.mkdtemp(); os.chdir(t); shutil.rmtree(t)\n"
        + BODY.replace('open("pred', 'open(home + "/pred')
    ),
    "clock runs backwards": Fault(
        before="import time\n_t, _k = time.time, [0]\ndef _back():\n    _k[0] += 1\n    return _t() - _k[0] * 1e6\n"
        "time.time, time.time_ns = _back, lambda: int(_back() * 1e9)\n"
    ),
    "clock before 1970": Fault(before="import time\ntime.time, time.time_ns = (lambda: -5.0), (lambda: -5_000_000_000)\n"),
    "rename fails": Fault(before=_failing("replace", "18, 'Invalid cross-device link'")),
    "rename fails now and then": Fault(before=_failing("replace", "116, 'Stale file handle'", every=2)),
    "fsync fails": Fault(before=_failing("fsync", "5, 'Input/output error'")),
    "mkdir fails": Fault(before=_failing("mkdir", "30, 'Read-only file system'")),
    "threads that use softmax": Fault(
        before="import threading\nstop = []\ndef spin():\n    x = torch.randn(20, 20)\n    while not stop: torch.softmax(x, -1)\n"
        "ts = [threading.Thread(target=spin, daemon=True) for _ in range(3)]\nfor t in ts: t.start()\n",
        after="stop.append(1)\nfor t in ts: t.join()\n",
    ),
    "pass in a thread": Fault(
        code="import threading\n" + textwrap.indent(BODY, "    ").replace("\n    net", "def work():\n    net", 1)
        + "t = threading.Thread(target=work); t.start(); t.join()\n"
    ),
    "fork in the pass": Fault(code=LOOP + "    if n == 1:\n        pid = os.fork()\n        if pid == 0: os._exit(0)\n"
                              "        os.waitpid(pid, 0)\n    net(batch)\nprint('host is done')\n"),
    "fork that ends normally": Fault(code=LOOP + "    net(batch)\n    if n == 1:\n        pid = os.fork()\n        if pid == 0: sys.exit(0)\n"
                                     "        os.waitpid(pid, 0)\nprint('host is done')\n"),
    "crash on the last batch": Fault(code=LOOP + "    if n == 2: raise ZeroDivisionError('the host')\n    net(batch)\n"),
    "recursion of 180": Fault(before="sys.setrecursionlimit(180)\n"),
    "host traces": Fault(before="sys.settrace(lambda *a: None)\n"),
    "no garbage collection": Fault(before="import gc\ngc.disable()\n"),
    "os._exit": Fault(after="sys.stdout.flush(); os._exit(0)\n"),
    "host raises SystemExit with text": Fault(after="sys.exit('the host says no')\n"),
    "host interrupted": Fault(after="sys.stdout.flush(); os.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(5)\n"),
    "host closes its streams": Fault(after="sys.stdout.close(); sys.stderr.close()\n"),
    "repeated ids": Fault(code=BODY.replace("make_loader(12, 4)\n", "make_loader(12, 4)\ntest_loader.dataset.ids[3] = test_loader.dataset.ids[2]\n")),
}  # fmt: skip
#: Run by the tests each time: those that once went wrong, and one of each kind.
SAMPLE = ("stderr closed", "24 files at once", "rename fails now and then", "host interrupted")


def survives(name: str, folder: Path) -> str:
    """What is different with us; empty when nothing is."""
    fault = FAULTS[name]
    write_host(folder, fault.code or fault.before + BODY + fault.after)
    if fault.files is not None:
        fault.files(folder)
    alone = _run(folder, fault, [sys.executable, "host.py"])
    with_us = _run(folder, fault, [sys.executable, "-m", "crysmm_attn_plugin.cli", "run", "--arm", "full", "--out", "runs", "--no-report",
                                   "--", sys.executable, "host.py"])  # fmt: skip
    wrong = []
    if alone[1] != with_us[1]:
        wrong.append(f"stdout {alone[1][-200:]!r} became {with_us[1][-200:]!r}")
    if alone[3] != with_us[3]:
        wrong.append("predictions differ")
    code = 128 - alone[0] if alone[0] < 0 else alone[0]
    if with_us[0] != code and not (code == 0 and with_us[0] == 3 and "nothing captured" in with_us[2]):
        wrong.append(f"exit code {code} became {with_us[0]}")
    if with_us[2].count("Traceback") != alone[2].count("Traceback"):
        wrong.append(f"another traceback: {with_us[2][-600:]}")
    return "; ".join(wrong)


def _run(folder: Path, fault: Fault, command: list[str]) -> tuple[int, str, str, bytes | None]:
    env: dict[str, str | None] = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    env |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **fault.env}
    words = ["bash", "-c", " ".join(command) + f" {fault.shell}"] if fault.shell else command
    predictions = folder / "predictions_test.csv"
    predictions.unlink(missing_ok=True)
    done = subprocess.run(words, cwd=folder, env={k: v for k, v in env.items() if v is not None}, capture_output=True,
                          text=True, errors="replace", preexec_fn=fault.limits, timeout=300, check=False)  # fmt: skip
    try:
        written = predictions.read_bytes()
    except OSError:
        written = None
    return done.returncode, done.stdout, done.stderr, written


def main() -> int:
    """Every fault; 1 when one of them made a difference."""
    bad = 0
    for name in sys.argv[1:] or FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            wrong = survives(name, Path(folder))
        bad += bool(wrong)
        print(f"{name:32s} {wrong or 'survived'}", flush=True)
    print(f"{len(sys.argv[1:] or FAULTS)} faults, {bad} that made a difference")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
