"""Measuring turn about: versions side by side in processes of their own, ratios with intervals."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
#: The version that everything is compared with.
BASELINE = "a1b85ea"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: What was measured.
        unit: Of the numbers.
        value, low, high: Median over the repeats and its 95 % interval.
        baseline: The median of the older version, None where it was not measured.
        required: What it must reach, in words; empty when nothing is asked.
        met: Whether it does; None without a requirement.
        repeats: How often it was measured.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    baseline: float | None = None
    required: str = ""
    met: bool | None = None
    repeats: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def figure(
    name: str,
    unit: str,
    values: Sequence[float],
    *,
    baseline: Sequence[float] = (),
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """A line from repeated measurements: their median and the 95 % interval of the median.

    The interval is the pair of ordered values that hold the median with at least 95 % by the binomial distribution, or the
    lowest and highest where there are too few.
    """
    ordered, n = sorted(values), len(values)
    rank = 0
    from scipy.stats import binom

    while rank + 1 <= n // 2 and 1 - 2 * binom.cdf(rank, n, 0.5) >= 0.95:
        rank += 1
    low, high = (ordered[rank - 1], ordered[n - rank]) if rank else (ordered[0], ordered[-1])
    middle = statistics.median(ordered)
    required, met = "", None
    if at_most is not None:
        required, met = f"at most {at_most:g}", middle <= at_most
    if at_least is not None:
        required, met = f"at least {at_least:g}", middle >= at_least
    before = statistics.median(baseline) if baseline else None
    return Figure(name, unit, middle, low, high, before, required, met, n)


class Worker(AbstractContextManager["Worker"]):
    """A process that runs cases with one version.

    Args:
        tree: The checkout whose package it uses.
    """

    def __init__(self, tree: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "worker.py"), str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, "CRYSMM_ATTN_ENABLED": "0"},
        )

    def run(self, case: str, *, warm: bool = True, **options: Any) -> dict[str, float]:
        """CPU seconds of one run, and the case's number.

        Raises:
            RuntimeError: When the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"case": case, "options": options, "warm": warm}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the case {case} ended its process; its message is above")
        return dict(json.loads(answer))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def once(tree: Path, case: str, **options: Any) -> dict[str, float]:
    """A case in a process of its own, once, without a first turn."""
    with Worker(tree) as worker:
        return worker.run(case, warm=False, **options)


def spent(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of a process and the children it waited for, and the largest memory of any of them in MB.

    Raises:
        RuntimeError: When it does not end with exit code 0, 2 or 3; what it said is in the message.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 2, 3):
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace")[-2000:])
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def cpu_seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    """CPU time of a process and its children."""
    return spent(command, environment)[0]


def turn_about(turns: int, *measured: Callable[[], T]) -> list[list[T]]:
    """Values of several measurements, one of each in every turn."""
    found: list[list[T]] = [[] for _ in measured]
    for _ in range(turns):
        for values, measure in zip(found, measured):
            values.append(measure())
    return found


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Of values measured in the same turn."""
    return [a / b for a, b in zip(numerators, denominators)]


def baseline_tree(folder: Path) -> Path | None:
    """The older version's files from git, or None where git does not know it."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", BASELINE], capture_output=True, check=False)
    if archive.returncode:
        return None
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder
