"""Runs hosts: once plainly with their full truth, once unedited under ``crysmm-attn run``."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOSTS = Path(__file__).resolve().parent / "hosts"
SHARED = ("kit", "common")
ARM = "zoo"


@dataclass(frozen=True)
class Host:
    """One host of the zoo and what is expected of a captured run (its ``ZOO``; see ``judge``)."""

    name: str
    path: Path
    about: str
    expected: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """The host's own command."""
        return [sys.executable, *self.expected.get("command", ()), str(self.path)]

    @property
    def alone(self) -> bool:
        """Whether the plain run needs an interpreter of its own."""
        return bool(self.expected.get("command") or self.expected.get("sitecustomize"))


@dataclass
class Ended:
    """How one process ended and what the host wrote down.

    Attributes:
        code, stdout, stderr: The process's own.
        truth: Merged records of the host's processes; None when it wrote none.
        seconds: Wall time.
    """

    code: int
    stdout: str
    stderr: str
    truth: dict[str, Any] | None
    seconds: float = 0.0

    @property
    def our_lines(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.startswith("crysmm-attn")]


@dataclass
class Pair:
    """A host's two runs, and the folder of the captured one."""

    host: Host
    plain: Ended
    captured: Ended
    runs: Path
    extra: dict[str, Any] = field(default_factory=dict)


def every_host() -> dict[str, Host]:
    """All hosts, by name."""
    found = {}
    for path in sorted(HOSTS.glob("*.py")):
        if path.stem in SHARED:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        expected = next(
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ZOO"
        )
        about = (ast.get_docstring(tree) or "").splitlines()[0]
        found[path.stem] = Host(path.stem, path, about, expected)
    return found


def _environment(host: Host, folder: Path, *, full: bool) -> dict[str, str]:
    values = {"ZOO_TRUTH": str(folder / "truth"), "ZOO_FULL": str(int(full)), "ZOO_FOLDER": str(folder)}
    if host.expected.get("sitecustomize"):
        site = folder / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(host.expected["sitecustomize"], encoding="utf-8")
        values["PYTHONPATH"] = str(site)
    return values


def _clean() -> dict[str, str]:
    mine = ("CRYSMM_ATTN_", "ZOO_", "PYTEST_", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
    return {**kept, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def _truth(folder: Path) -> dict[str, Any] | None:
    files = sorted(folder.glob("truth*"))
    if not files:
        return None
    parts = [pickle.loads(file.read_bytes()) for file in files]
    merged = dict(parts[0])
    for part in parts[1:]:
        for key, value in part.items():
            merged[key] = {**merged[key], **value} if isinstance(value, dict) else merged[key] + value
    return merged


def _real(words: list[str], folder: Path, environment: dict[str, str], limit: float) -> Ended:
    began = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env={**_clean(), **environment}, capture_output=True, text=True, timeout=limit, check=False
    )  # fmt: skip
    seconds = time.monotonic() - began
    return Ended(done.returncode, done.stdout, done.stderr, _truth(folder), seconds)


def _plain(hosts: list[Host], root: Path, at_once: int, limit: float) -> dict[str, Ended]:
    """Hosts without us, forked from one process; those that need their own interpreter apart."""
    jobs, ended = [], {}
    for host in hosts:
        folder = root / host.name / "plain"
        folder.mkdir(parents=True)
        environment = {**_environment(host, folder, full=True), "CRYSMM_ATTN_ENABLED": "0"}
        if host.alone:
            ended[host.name] = _real(host.words, folder, environment, limit)
            continue
        jobs.append({
            "name": host.name, "host": str(host.path), "cwd": str(folder), "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"), "env": environment,
            "transformers": any(w in host.path.read_text() for w in ("transformers", "wordpiece", "kit.tokenizer")),
        })  # fmt: skip
    if jobs:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("plain.py"))],
            input=json.dumps([jobs, at_once]), env={**_clean(), "CRYSMM_ATTN_ENABLED": "0"}, cwd=root,
            capture_output=True, text=True, timeout=limit * len(jobs), check=True,
        )  # fmt: skip
        for name, code in json.loads(done.stdout).items():
            folder = root / name / "plain"
            texts = [(folder / which).read_text(encoding="utf-8") for which in ("stdout", "stderr")]
            ended[name] = Ended(code, *texts, _truth(folder))
    return ended


def run_pairs(
    hosts: Iterable[Host],
    root: Path,
    *,
    at_once: int = 2,
    limit: float = 180,
    told: Callable[[Pair], None] | None = None,
) -> dict[str, Pair]:
    """Run every host both ways.

    Args:
        hosts: Which.
        root: An empty folder for what they write.
        at_once: Processes at a time.
        limit: Seconds for one process.
        told: Called with each pair when it is there.
    """
    hosts = list(hosts)
    plain = _plain(hosts, root, at_once, limit)

    def captured(host: Host) -> Pair:
        folder = root / host.name / "captured"
        folder.mkdir(parents=True)
        words = [
            sys.executable,
            "-m",
            "crysmm_attn_plugin.cli",
            "run",
            "--arm",
            ARM,
            "--out",
            str(folder / "runs"),
        ]
        words += ["--maps", "all", "--windows", "all", "--no-report", "--", *host.words]
        ended = _real(words, folder, _environment(host, folder, full=False), limit)
        return Pair(host, plain[host.name], ended, folder / "runs")

    pairs = {}
    with ThreadPoolExecutor(at_once) as pool:
        for pair in pool.map(captured, hosts):
            pairs[pair.host.name] = pair
            if told is not None:
                told(pair)
    return pairs
