"""What the launcher and the start-up file cost: processes started with and without them, turn about.

``python benchmarks/launcher_overhead.py`` prints ratios and differences of wall time, medians over the turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

#: What the host's process does.
HOSTS = {
    "nothing": "pass",
    "import torch": "import torch",
    "import torch, dgl and alignn.train": "import torch, dgl, alignn.train",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9, help="turns of each command (default: 9)")
    args = parser.parse_args()
    print(
        "| The host's process does | `crysmm-attn run` / plain | more, s | start-up file / none | more, s |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, code in HOSTS.items():
        plain = [sys.executable, "-c", code]
        launched = [sys.executable, "-m", "crysmm_attn_plugin.cli", "run", "--no-report", "--", *plain]
        off = {**os.environ, "CRYSMM_ATTN_ENABLED": "0"}
        on = {k: v for k, v in os.environ.items() if k != "CRYSMM_ATTN_ENABLED"}
        rows = []
        for _ in range(args.turns):
            rows.append((seconds(plain, off), seconds(plain, on), seconds(launched, on)))
        base, startup, run = (statistics.median(r[i] for r in rows) for i in range(3))
        print(
            f"| {name} | {run / base:.2f} | {run - base:.2f} | {startup / base:.2f} | {startup - base:.3f} |",
            flush=True,
        )


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a process."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
