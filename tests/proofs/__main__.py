"""``python -m tests.proofs`` lists the long proofs; with names, or ``all``, it runs them one after another.

Each is a command of its own (docs/reliability.md says what it proves). Their output is kept under ``build/proofs``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Name -> (command after the interpreter, seconds on two idle cores or so).
PROOFS: dict[str, tuple[str, str]] = {
    "damage": ("-m benchmarks.store_damage --trials 2000", "10 min"),
    "kills": ("-m pytest -q tests/test_store_faults.py tests/test_folders.py", "3 min"),
    "faults": ("-m tests.proofs.host_faults", "10 min"),
    "arguments": ("-m pytest -q tests/test_bad_arguments.py", "2 min"),
    "hostile": ("-m pytest -q tests/test_escape.py tests/test_store_damage.py tests/test_report_folder.py", "3 min"),
    "fuzz": ("-m tests.proofs.fuzz --inputs 1000000", "40 min, needs atheris"),
    "mutants": ("-m tests.proofs.mutants --n 350", "60 min"),
    "matrix": ("-m tests.proofs.matrix", "30 min, needs several Pythons"),
}  # fmt: skip
#: Kills at every step of the writer instead of a sample.
EVERY_STEP = {"STORE_EVERY_STEP": "1"}


def main(names: list[str]) -> int:
    """Run what is named; 1 when one of them fails."""
    import os

    wrong = [n for n in names if n not in PROOFS and n != "all"]
    if not names or wrong:
        for name, (command, cost) in PROOFS.items():
            print(f"{name:10s} python {command}   ({cost})")
        if wrong:
            print(f"there is no proof called {', '.join(wrong)}", file=sys.stderr)
        return 2 if wrong else 0
    out = ROOT / "build" / "proofs"
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in PROOFS if "all" in names else names:
        started = time.monotonic()
        with (out / f"{name}.log").open("w", encoding="utf-8") as log:
            command = [sys.executable, *PROOFS[name][0].split()]
            ran = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **EVERY_STEP}, check=False
            )
        failed += ran.returncode != 0
        last = (out / f"{name}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        print(
            f"{name}: {'held' if ran.returncode == 0 else 'FAILED'}, {time.monotonic() - started:.0f} s; {' '.join(last)}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
