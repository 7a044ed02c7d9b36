"""Every argument that names a place, with every place that is none: refused in one sentence, waited for by nobody.

Which arguments name places is said here of each that the parser knows; one that is new fails until it is said of it too.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_kit import entropies, from_entropy, write_run

from crysmm_attn_plugin.cli import build_parser, main
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.folders import RECORD
from crysmm_attn_plugin.store.repair import repair

COMPARE = ("compare", "--checkpoint_full", "file", "--checkpoint_no_middle", "file", "--root_dir", "empty")
EXPLAIN = ("explain", "--checkpoint", "file", "--cif", "file")
HOST = ("--", "no-such-command-at-all")
#: Command -> words that would be taken, and end before any work.
BASE: dict[str, tuple[str, ...]] = {
    "demo": ("demo", "--epochs", "0"), "run": ("run",), "compare": COMPARE, "explain": EXPLAIN,
    "report": ("report",), "pool": ("pool", "file"), "declare": ("declare",), "plan": ("plan",),
    "doctor": ("doctor",), "verify": ("verify",), "status": ("status",), "repair": ("repair",),
    "plugins": ("plugins",), "completion": ("completion",),
}  # fmt: skip
#: (command, argument) that names a place.
PLACES = {
    ("demo", "out"), ("run", "out"), ("compare", "checkpoint_full"), ("compare", "checkpoint_no_middle"), ("compare", "root_dir"),
    ("compare", "save_dir"), ("compare", "host_dir"), ("explain", "checkpoint"), ("explain", "cif"), ("explain", "out"),
    ("explain", "host_dir"), ("report", "runs"), ("report", "out"), ("pool", "results"), ("pool", "out"), ("declare", "folder"),
    ("plan", "runs"), ("status", "run"), ("repair", "run"),
}  # fmt: skip
#: Arguments that say something else: words, numbers, names.
WORDS = {
    "text_model", "probe", "lang", "arm", "loader", "windows", "maps", "host", "dataset", "property", "weights", "style", "text",
    "baseline", "format", "checkpoint", "split", "module", "smallest_effect", "labels", "hypothesis", "direction", "primary",
    "clusters", "metric", "predictions", "shell",
}  # fmt: skip
BAD_NUMBERS = ("nan", "inf", "-inf", "-1e9", "1e400", "9" * 5000, "0x10", "1,5", " ", "")


def _arguments() -> list[tuple[str, argparse.Action]]:
    parser = build_parser("*")
    subs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return [(n, a) for n, sub in subs.choices.items() for a in sub._actions if a.nargs != 0]


def _is_number(action: argparse.Action) -> bool:
    return action.type in (int, float) or "whole" in repr(action.type) or "number" in repr(action.type)


def _named(case: tuple[str, argparse.Action] | object) -> str:
    return case if isinstance(case, str) else case.dest  # type: ignore[attr-defined]


def _places(folder: Path) -> list[str]:
    """Makes them below the working directory."""
    (folder / "file").write_text("x", encoding="utf-8")
    (folder / "nothing").write_text("", encoding="utf-8")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "dangling").symlink_to(folder / "none")
    (folder / "round").mkdir()
    (folder / "round" / "again").symlink_to(folder / "round")
    (folder / "marked").write_bytes(b"\xef\xbb\xbfdata_x\r\n")
    (folder / "latin").write_bytes(b"data_\xe9\xff\n")
    (folder / "two\nlines").write_text("x", encoding="utf-8")
    (folder / "folder\nof two").mkdir()
    (folder / "pipes").mkdir()
    for name in ("result.json", "declaration.json", "report.json"):
        os.mkfifo(folder / "pipes" / name)
    return ["", " ", "pipe", "socket", "loop", "loop/x", "dangling/x", "nothing", "marked", "latin", "two\nlines",
            "two\nlines/x", "/dev/null", "/dev/zero", "/dev/full", "/dev/zero/x", "x" * 300, "/".join(["y" * 200] * 30),
            "a\0b", "file/x", "\udcff", "\x1b[31mred/\0"]  # fmt: skip


#: For what is read: also what an output may well be.
READ_ONLY = [
    "none",
    "round",
    "folder\nof two",
    "pipes",
    "empty",
    "dangling",
    "none\n",
    "\u202e",
    "-",
    "~nobody/x",
    "nosuch://x/y",
]


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"still waiting after {seconds} s")

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def _refused(words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said; or what is wrong with it, as an assertion."""
    before = sorted(map(str, folder.rglob("*")))
    try:
        with _within(20):
            code = main(words)
    except SystemExit as stop:
        code = stop.code  # type: ignore[assignment]
    said = capsys.readouterr()
    shown = [w[:40] for w in words]
    assert code == 2, (shown, code, said)
    assert len(said.err.splitlines()) == 1, (shown, said.err)
    assert said.err[:-1].isprintable(), (shown, said.err)
    assert said.out == "", shown
    assert sorted(map(str, folder.rglob("*"))) == before, shown
    return said.err


@pytest.mark.parametrize(("command", "action"), _arguments(), ids=_named)
def test_a_bad_place_or_number_is_refused_for_every_argument(
    command: str, action: argparse.Action, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if (command, action.dest) in PLACES:
        bad = _places(tmp_path)
        if action.dest not in ("out", "save_dir", "folder"):
            bad += READ_ONLY
        if action.dest in ("root_dir", "host_dir"):
            bad = [p for p in bad if p not in ("round", "folder\nof two", "pipes", "empty")]
    elif _is_number(action):
        _places(tmp_path)
        bad = list(BAD_NUMBERS)
    else:
        assert action.dest in WORDS | {"seeds"}, f"say whether {command} {action.dest} names a place"
        return
    base = list(BASE[command])
    rest = (
        {"pool": ["empty"], "report": ["empty"], "declare": ["new"]}.get(command, [])
        if action.option_strings
        else []
    )
    if command == "declare":
        rest += ["--hypothesis", " "]
    if command in ("run", "doctor", "verify"):
        rest += HOST
    flag = action.option_strings[-1:]
    for value in bad:
        # a value that begins with a dash is one only behind an equals sign
        given = [f"{flag[0]}={value}"] if flag and not (value == "" or "\0" in value) else [*flag, value]
        if not flag and value.startswith("-"):
            continue
        _refused([*base, *given, *rest], tmp_path, capsys)


def test_runs_in_a_folder_whose_name_is_no_text_are_refused_and_kept(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", "full", from_entropy(entropies(12)))
    whole = {p.name: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    odd = tmp_path / "runs\udcff"
    (tmp_path / "runs").rename(odd)
    for command in ("status", "repair", "report"):
        place = odd / "full" / run.path.name if command == "repair" else odd
        ended = subprocess.run(
            [sys.executable, "-m", "crysmm_attn_plugin.cli", command, place],
            capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"}, check=False,
        )  # fmt: skip
        assert (ended.returncode, b"no text in UTF-8" in ended.stderr, len(ended.stderr.splitlines())) == (
            2,
            True,
            1,
        ), ended
    with pytest.raises(UsageError, match="rename the folder"):
        repair(odd / "full" / run.path.name)
    with pytest.raises(UsageError, match="rename the folder"):
        write_run(odd, "other", from_entropy(entropies(12)))
    assert {p.name: p.read_bytes() for p in odd.rglob("*") if p.is_file()} == whole


def test_two_reports_into_one_folder_at_once_leave_one_that_is_whole(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "runs", "full", from_entropy(entropies(12)), seed=seed)
    command = [
        sys.executable,
        "-m",
        "crysmm_attn_plugin.cli",
        "report",
        "runs",
        "--out",
        "out",
        "--format",
        "tables",
    ]
    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(p.communicate(timeout=120)[1], p.returncode) for p in both]
    assert 0 in [code for _, code in ends], ends
    assert all(
        "Traceback" not in said and (code == 0 or len(said.splitlines()) == 1) for said, code in ends
    ), ends
    assert (tmp_path / "out" / RECORD).is_file()
    left = [p.name for p in tmp_path.iterdir()]
    assert sorted(left) == ["out", "runs"], left
