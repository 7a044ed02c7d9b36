"""``python -m tests.proofs.fuzz --inputs 1000000``: coverage-guided fuzzing with atheris, target by target.

Each target runs in a process of its own, begins with the inputs kept under ``corpus/`` and adds to them those that reach
something new (``--keep``; the small ones of them are committed). An input that breaks a promise is written to ``--out`` and
printed; the command then ends with 1. Needs ``pip install atheris``; ``pytest tests/test_fuzz.py`` goes through the corpus
and through inputs drawn at random without it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CORPUS = Path(__file__).parent / "corpus"


def one(name: str, inputs: int, seed: int, corpus: Path, out: Path) -> int:
    """Fuzz one target in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["crysmm_attn_plugin"], enable_loader_override=False):
        for loaded in [m for m in sys.modules if m.split(".")[0] == "crysmm_attn_plugin"]:
            del sys.modules[loaded]
        from tests.proofs.fuzz.targets import TARGETS
    target = TARGETS[name]
    out.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=400", "-rss_limit_mb=6000", "-timeout=60",
         f"-artifact_prefix={out}/{name}-", "-print_final_stats=1", "-verbosity=1", str(corpus)],
        target,
    )  # fmt: skip
    atheris.Fuzz()
    return 0


def main() -> int:
    """Run every target, or the one named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all, shared out among the targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", help="only this one, with all the inputs")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "fuzz", help="folder for inputs that break something"
    )
    parser.add_argument("--keep", type=Path, help="folder for inputs that reach something new")
    parser.add_argument("--single", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    keep = (args.keep or args.out / "corpus").resolve()
    if args.single:
        return one(args.target[0], args.inputs, args.seed, keep / args.target[0], args.out)
    from tests.proofs.fuzz.targets import SHARES, TARGETS

    names = args.target or list(TARGETS)
    total = sum(SHARES[TARGETS[n]] for n in names)
    done = failed = 0
    for name in names:
        n = round(args.inputs * SHARES[TARGETS[name]] / total)
        (keep / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((CORPUS / name).glob("*")):
            (keep / name / path.name).write_bytes(path.read_bytes())
        started = time.monotonic()
        command = [sys.executable, "-m", "tests.proofs.fuzz", "--single", "--target", name, "--inputs", str(n),
                   "--seed", str(args.seed), "--keep", str(keep), "--out", str(args.out)]  # fmt: skip
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        (args.out / f"{name}.log").write_text(ran.stdout + ran.stderr, encoding="utf-8")
        counted = re.findall(r"stat::number_of_executed_units:\s*(\d+)|^#(\d+)\s", ran.stderr, re.M)
        inputs = max((int(a or b) for a, b in counted), default=0)
        features = re.findall(r"ft: (\d+)", ran.stderr)
        kept = sum(1 for _ in (keep / name).iterdir())
        done += inputs
        failed += ran.returncode != 0
        print(f"{name:16s} {inputs:9,d} inputs, {time.monotonic() - started:6.0f} s, {features[-1] if features else '?'} features, "
              f"{kept} kept, {'held' if ran.returncode == 0 else f'BROKEN, see {args.out}/{name}.log'}", flush=True)  # fmt: skip
    print(f"{done:,} inputs, {failed} targets broken")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
