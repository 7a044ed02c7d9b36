"""Runs hosts: once plainly with their full truth, once unedited under ``crysmm-attn run``."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Of the checkout that these hosts are part of.
ROOT = Path(__file__).resolve().parents[2]
HOSTS = Path(__file__).resolve().parent / "hosts"
PUBLIC = HOSTS.with_name("public")
SHARED = ("kit", "common", "outside")
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
    """

    code: int
    stdout: str
    stderr: str
    truth: dict[str, Any] | None

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


def every_host(folder: Path = HOSTS) -> dict[str, Host]:
    """All hosts of a folder, by name."""
    found = {}
    for path in sorted(folder.glob("*.py")):
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
        values["PYTHONPATH"] = os.pathsep.join((str(site), str(ROOT)))
    return values


def _clean() -> dict[str, str]:
    mine = ("CRYSMM_ATTN_", "ZOO_", "PYTEST_", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
    kept["PYTHONPATH"] = str(ROOT)  # the package beside these tests, whichever is installed
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
    done = subprocess.run(
        words, cwd=folder, env={**_clean(), **environment}, capture_output=True, text=True, timeout=limit, check=False
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr, _truth(folder))


def _command(host: Host, folder: Path) -> list[str]:
    words = [
        "run",
        "--arm",
        ARM,
        "--out",
        str(folder / "runs"),
        "--maps",
        "all",
        "--windows",
        "all",
        "--no-report",
    ]
    return [*words, "--", *host.words]


def _run(
    hosts: list[Host], root: Path, *, captured: bool, forked: bool, at_once: int, limit: float
) -> dict[str, Ended]:
    """Hosts with us or without, forked from one process or each in its own interpreter."""
    jobs, own = [], []
    for host in hosts:
        folder = root / host.name / ("captured" if captured else "plain")
        folder.mkdir(parents=True)
        environment = _environment(host, folder, full=not captured)
        if not captured:
            environment["CRYSMM_ATTN_ENABLED"] = "0"
        words = _command(host, folder) if captured else []
        if host.alone or not forked:
            start = [sys.executable, "-m", "crysmm_attn_plugin.cli", *words] if captured else host.words
            own.append((host.name, start, folder, environment))
            continue
        text = host.path.read_text(encoding="utf-8")
        jobs.append({
            "name": host.name, "host": str(host.path), "cwd": str(folder), "env": environment, "command": words,
            "transformers": any(w in text for w in ("transformers", "wordpiece", "kit.tokenizer")),
        })  # fmt: skip
    ended: dict[str, Ended] = {}
    if jobs:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("forked.py"))],
            input=json.dumps([jobs, at_once]), env={**_clean(), "CRYSMM_ATTN_ENABLED": "0"}, cwd=root,
            capture_output=True, text=True, timeout=limit * len(jobs), check=True,
        )  # fmt: skip
        for job in jobs:
            folder = Path(job["cwd"])
            texts = [(folder / which).read_text(encoding="utf-8") for which in ("stdout", "stderr")]
            ended[job["name"]] = Ended(json.loads(done.stdout)[job["name"]], *texts, _truth(folder))
    with ThreadPoolExecutor(at_once) as pool:
        for name, result in pool.map(lambda one: (one[0], _real(*one[1:], limit)), own):
            ended[name] = result
    return ended


def run_pairs(
    hosts: Iterable[Host], root: Path, *, forked: bool = False, at_once: int = 2, limit: float = 180
) -> dict[str, Pair]:
    """Run every host both ways.

    Args:
        hosts: Which.
        root: An empty folder for what they write.
        forked: Captured hosts are forks of one process too, which is several times faster; those that need an
            interpreter of their own get one in any case.
        at_once: Processes at a time.
        limit: Seconds for one process.
    """
    hosts = list(hosts)
    plain = _run(hosts, root, captured=False, forked=True, at_once=at_once, limit=limit)
    captured = _run(hosts, root, captured=True, forked=forked, at_once=at_once, limit=limit)
    return {
        h.name: Pair(h, plain[h.name], captured[h.name], root / h.name / "captured" / "runs") for h in hosts
    }
