"""Do the tests notice a fault in what computes or reads a number?

``python -m tests.proofs.mutants --n 350`` makes small faults in ``stats``, ``metrics`` and the store's reading, drawn by a
seed, and runs for each the tests that pass through the changed line, the quickest first. A fault that no test notices
survives and is printed with its line. One process loads the libraries and forks a child for each fault, which gives the
changed module to the import system; nothing is written to the checkout. Needs a system that can fork.
"""

from __future__ import annotations

import argparse
import ast
import collections
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import coverage

from tests.proofs.mutations import Mutation, mutated, mutations

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "crysmm_attn_plugin"
#: What is mutated, and the test files that speak of it.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "stats": tuple(
        f"tests/test_{t}.py"
        for t in ("stats_oracles", "stats_properties", "stats_faults", "stats_edges", "pooling", "plan", "declare", "compare",
                  "calibration", "faithfulness")
    ),
    "metrics": tuple(f"tests/test_{t}.py" for t in ("metrics", "metrics_edges", "alignment", "rows")),
    "store": tuple(
        f"tests/test_{t}.py"
        for t in ("store", "store_damage", "store_layouts", "store_streaming", "declare", "compare", "windows_identity")
    ),
}  # fmt: skip
#: The store's files that read; the rest is writing, whose faults are injected by tests/test_store_faults.py.
READING = ("attention_rows", "columns", "declaration", "files", "journal", "labelled", "listing", "manifest", "means", "outcomes",
           "places", "reader", "run_folder", "schema", "shards", "sums", "tables", "whole")  # fmt: skip
#: Seconds that a fault's tests may take beyond ten times what they take without it; then it counts as noticed.
PATIENCE = 60.0
#: Loaded once for all faults.
LIBRARIES = ("numpy", "pandas", "openpyxl", "pyarrow.parquet", "pytest", "safetensors.numpy", "scipy.stats",
             "statsmodels.api", "xarray")  # fmt: skip
#: At most so many tests are tried for one fault.
MOST_TESTS = 60


def files_of(subject: str) -> list[str]:
    """Files of one subject, relative to the checkout."""
    folder = ROOT / PACKAGE / subject
    names = [folder / f"{n}.py" for n in READING] if subject == "store" else sorted(folder.glob("*.py"))
    return [p.relative_to(ROOT).as_posix() for p in names if p.exists() and p.name != "__init__.py"]


def module_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


class _Altered(SourceFileLoader):
    """Loads a module from a changed tree."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self.tree = tree

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.tree, self.path, "exec")


class _Giving(importlib.abc.MetaPathFinder):
    """Finds one module in a changed tree, everything else as before."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.name, self.path, self.tree = module_of(path), str(ROOT / path), tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=_Altered(fullname, self.path, self.tree)
        )


class Reached:
    """A pytest plugin: which lines of some files each test passes through, and how long it takes.

    Args:
        paths: Absolute paths of the files.
    """

    def __init__(self, paths: set[str]) -> None:
        self.lines: dict[str, set[tuple[str, int]]] = {}
        self.seconds: dict[str, float] = {}
        self._watch = coverage.Coverage(data_file=None, include=sorted(paths), config_file=False)

    def pytest_sessionstart(self) -> None:
        self._watch.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._watch.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        self._watch.stop()
        data = self._watch.get_data()
        for path in data.measured_files():
            for line, tests in data.contexts_by_lineno(path).items():
                for test in filter(None, tests):
                    self.lines.setdefault(test, set()).add((path, line))


def preload() -> None:
    """Load what every child needs, and nothing of the package's own."""
    for name in LIBRARIES:
        importlib.import_module(name)
    import hypothesis
    import pyarrow
    import torch

    torch.set_num_threads(1)
    pyarrow.set_cpu_count(1)
    hypothesis.settings.register_profile(
        "mutants",
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        database=None,
        derandomize=True,
        deadline=None,
    )
    hypothesis.settings.load_profile("mutants")


def forget() -> None:
    """Take the package out of what is loaded: a start-up file may have brought it."""
    for name in [n for n in sys.modules if n == PACKAGE or n.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]


def in_child(work: Any, seconds: float, log: Path) -> int | None:
    """Run ``work`` in a fork; its exit status, or None when it took longer than ``seconds``."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.setsid()
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            status = int(work())
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.02)


def reach(subject: str, folder: Path) -> tuple[dict[str, list[str]], dict[str, float]]:
    """``path:line`` -> tests that pass through it, and each test's seconds; runs the subject's tests once."""
    paths = {str(ROOT / p) for p in files_of(subject)}
    out = folder / f"{subject}.reach.json"

    def work() -> int:
        import pytest

        forget()
        plugin = Reached(paths)
        code = pytest.main(
            ["-q", "-p", "no:cacheprovider", "-m", "not slow", *SUBJECTS[subject]], plugins=[plugin]
        )
        hit: dict[str, list[str]] = collections.defaultdict(list)
        for test, lines in plugin.lines.items():
            for path, line in lines:
                hit[f"{Path(path).relative_to(ROOT).as_posix()}:{line}"].append(test)
        out.write_text(json.dumps({"hit": hit, "seconds": plugin.seconds}))
        return int(code)

    sources = [ROOT / p for p in (*files_of(subject), *SUBJECTS[subject])]
    fresh = out.exists() and all(p.stat().st_mtime < out.stat().st_mtime for p in sources)
    status = 0 if fresh else in_child(work, 1800, folder / f"{subject}.log")
    if status != 0:
        raise SystemExit(
            f"the tests of {subject} do not pass as they are ({status}); see {folder / f'{subject}.log'}"
        )
    found = json.loads(out.read_text())
    return found["hit"], found["seconds"]


def tests_for(mutation: Mutation, hit: dict[str, list[str]], seconds: dict[str, float]) -> list[str]:
    """Tests that pass through the changed line; where it runs at import alone, those that pass through the file."""
    tests = hit.get(f"{mutation.path}:{mutation.line}", [])
    if not tests:
        tests = [t for k, v in hit.items() if k.rpartition(":")[0] == mutation.path for t in v]
    return sorted(set(tests), key=lambda t: seconds.get(t, 0.0))[:MOST_TESTS]


def judge(mutation: Mutation, tests: list[str], seconds: dict[str, float], log: Path) -> str:
    """``killed``, ``timeout`` or ``survived``."""
    if not tests:
        return "survived"

    def work() -> int:
        import pytest

        forget()
        sys.meta_path.insert(0, _Giving(mutation.path, mutated(ROOT, mutation)))
        return int(pytest.main(["-x", "-q", "--tb=line", "-p", "no:cacheprovider", *tests]))

    status = in_child(work, PATIENCE + 10 * sum(seconds.get(t, 0.0) for t in tests), log)
    return "timeout" if status is None else "survived" if status == 0 else "killed"


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, judge, print; 1 when fewer than the wanted share is noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--n", type=int, default=350, help="faults in all, shared out by the subjects' number of faults"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--subject", choices=tuple(SUBJECTS), action="append")
    parser.add_argument("--file", action="append", help="only faults in these files")
    parser.add_argument("--at-least", type=float, default=0.9, help="share that must be noticed")
    parser.add_argument(
        "--out", type=Path, default=Path("build/mutants"), help="folder for logs and the table"
    )
    args = parser.parse_args(argv)
    os.chdir(ROOT)
    args.out.mkdir(parents=True, exist_ok=True)
    preload()
    every = {
        subject: [m for p in files_of(subject) for m in mutations(ROOT, p) if not args.file or p in args.file]
        for subject in args.subject or SUBJECTS
    }
    total = sum(map(len, every.values()))
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    lines = []
    for subject, possible in every.items():
        if not possible:
            continue
        n = min(len(possible), max(round(args.n * len(possible) / total), 1))
        drawn = random.Random(f"{args.seed} {subject}").sample(possible, n)
        print(f"{subject}: {n} of {len(possible)} possible faults", flush=True)
        hit, seconds = reach(subject, args.out)
        for done, mutation in enumerate(drawn, 1):
            tests = tests_for(mutation, hit, seconds)
            verdict = judge(mutation, tests, seconds, args.out / "last.log")
            counts[subject, verdict] += 1
            lines.append(f"{verdict}\t{len(tests)}\t{mutation.name}")
            (args.out / f"results-{args.seed}.tsv").write_text("\n".join(lines) + "\n")
            if verdict == "survived":
                print(f"survived  {mutation.name}  ({len(tests)} tests)", flush=True)
            if done % 25 == 0:
                print(f"{subject}: {done} of {n}", file=sys.stderr, flush=True)
    noticed = sum(c for (_, v), c in counts.items() if v != "survived")
    for subject in every:
        print(f"{subject}: " + ", ".join(f"{v} {c}" for (s, v), c in sorted(counts.items()) if s == subject))
    share = noticed / max(sum(counts.values()), 1)
    print(f"{noticed} of {sum(counts.values())} noticed ({100 * share:.1f} %)")
    return 0 if share >= args.at_least else 1


if __name__ == "__main__":
    raise SystemExit(main())
