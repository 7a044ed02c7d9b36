"""Small hosts as scripts on disk, and the command line run over them as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

#: A host's imports: the modules of ``host_kit`` stand for its own.
HEAD = f"""
import os, random, signal, sys
sys.path.insert(0, {str(TESTS)!r})
import torch
from torch import nn
from host_kit import CrystalTextNet, Crystals, Fused, Multihead, OwnDropout, collate, make_loader, test_loop
torch.manual_seed(0)
torch.set_num_threads(1)
"""
#: A test pass whose predictions are printed and written, as hosts do.
BODY = """
net = CrystalTextNet(OwnDropout)
test_loader = make_loader(12, 4)
predictions = test_loop(net, test_loader)
with open("predictions_test.csv", "w") as file:
    file.writelines(f"{i},{p!r}\\n" for i, p in zip(test_loader.dataset.ids, predictions.tolist()))
print("host is done")
"""


def write_host(folder: Path, code: str = BODY, *, name: str = "host.py", head: str = HEAD) -> Path:
    """Write a host's script."""
    path = folder / name
    path.write_text(head + textwrap.dedent(code), encoding="utf-8")
    return path


def command_line(
    folder: Path, *words: str, python_path: tuple[Path, ...] = (), timeout: float = 180, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``crysmm-attn WORDS`` in ``folder``."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    env |= {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *python_path))),
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", *words],
        cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def run_host(
    folder: Path, *host: str, flags: tuple[str, ...] = (), **options: object
) -> subprocess.CompletedProcess[str]:
    """``crysmm-attn run`` over a host's command; the script ``host.py`` when none is given."""
    words = host or (sys.executable, "host.py")
    return command_line(
        folder,
        "run",
        "--arm",
        "full",
        "--out",
        "runs",
        "--no-report",
        *flags,
        "--",
        *words,
        **options,  # type: ignore[arg-type]
    )


def our_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What this project wrote to stderr."""
    return [line for line in done.stderr.splitlines() if line.startswith("crysmm-attn")]
