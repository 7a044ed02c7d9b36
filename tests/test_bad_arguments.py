"""Every argument of every command has a bad value that is refused before the work begins: one sentence, code 2."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from crysmm_attn_plugin.cli import COMMANDS, build_parser, main

LONG = "x" * 300
REPORT = ("report", "EMPTY")
CHECKPOINTS = ("--checkpoint_full", "FILE", "--checkpoint_no_middle", "FILE")
COMPARE = ("compare", *CHECKPOINTS, "--root_dir", "EMPTY")
DECLARE = ("declare", "NEW", "--hypothesis", "x")
EXPLAIN = ("explain", "--checkpoint", "FILE", "--cif", "FILE")
HOST = ("--", "true")
BAD: list[tuple[str, ...]] = [
    *((*REPORT, "--out", x) for x in ("", "FILE", "FILE/sub", f"NEW/{LONG}")),
    *((*REPORT, "--lang", x) for x in ("fr", ",", "")),
    *((*REPORT, "--format", x) for x in ("nothing", "html,nothing")),
    *((*REPORT, "--style", x) for x in ("mla", "")),
    *((*REPORT, "--alpha", x) for x in ("nan", "inf", "0", "1", "-0.1", "x")),
    *((*REPORT, "--seed", x) for x in ("-1", "1.5", "99999999999", "")),
    *((*REPORT, "--resamples", x) for x in ("1000000000", "-5", "0", "1e4")),
    *((*REPORT, "--smallest-effect", x) for x in ("entropy=nan", "entropy=inf", "entrop=5", "entropy", "entropy=-1", "=5")),
    *((*REPORT, flag, "") for flag in ("--checkpoint", "--split", "--module", "--baseline")),
    ("report", ""), ("report", "EMPTY/none"), ("report",),
    *(("demo", "--out", x) for x in ("", "FILE", f"NEW/{LONG}")),
    *(("demo", "--seeds", x) for x in ("0", "x", "100000000")),
    *(("demo", "--first-seed", x) for x in ("-1", "99999999999")),
    *(("demo", "--epochs", x) for x in ("-1", "0", "nan")),
    *(("demo", "--probe", x) for x in ("", "knockout", "all,nothing")),
    ("demo", "--lang", "fr"), ("demo", "--text-model", ""),
    ("compare", "--checkpoint_full", "", *CHECKPOINTS[2:], "--root_dir", "EMPTY"),
    ("compare", *CHECKPOINTS[:2], "--checkpoint_no_middle", "NEW", "--root_dir", "EMPTY"),
    *(("compare", *CHECKPOINTS, "--root_dir", x) for x in ("", "FILE", "NEW")),
    *((*COMPARE, "--save_dir", x) for x in ("", "FILE")),
    *((*COMPARE, "--num_samples", x) for x in ("-1", "x")),
    *((*COMPARE, "--batch_size", x) for x in ("0", "-3")),
    *((*COMPARE, "--lang", x) for x in ("fr", "")),
    *((*COMPARE, "--host-dir", x) for x in ("", "EMPTY/none")),
    *((*COMPARE, flag, "") for flag in ("--dataset", "--property", "--style", "--weights")),
    *(("plan", "--metric", x) for x in ("nothing", "")),
    *(("plan", "--percent", x) for x in ("nan", "0", "inf")),
    *(("plan", "--dz", x) for x in ("nan", "0", "inf")),
    *(("plan", "--power", x) for x in ("nan", "1.5", "0")),
    *(("plan", "--alpha", x) for x in ("nan", "0", "0.7")),
    *(("plan", "--max-seeds", x) for x in ("0", "99999", "2.5")),
    *(("plan", f"--sd-{part}", x) for part in ("runs", "noise", "crystals") for x in ("nan", "-1", "inf")),
    *(("plan", flag, "") for flag in ("--baseline", "--arm", "--checkpoint", "--split", "--module")),
    ("plan", "EMPTY/none"), ("plan", ""),
    ("pool",), ("pool", "EMPTY"), ("pool", "FILE", "NEW"), ("pool", "FILE", "FILE"), ("pool", "FILE", "EMPTY"),
    *(("pool", "FILE", "EMPTY", flag, "") for flag in ("--arm", "--baseline", "--labels", "--out", "--lang")),
    ("pool", "FILE", "EMPTY", "--lang", "fr"), ("pool", "FILE", "EMPTY", "--out", "FILE"),
    ("declare", "NEW", "--hypothesis", ""), ("declare", "NEW"),
    ("declare", "", "--hypothesis", "x"), ("declare", "FILE", "--hypothesis", "x"),
    *((*DECLARE, "--direction", x) for x in ("entropy=sideways", "nothing=lower", "")),
    *((*DECLARE, "--smallest-effect", x) for x in ("entropy=nan", "entropy=-1", "nothing=3", "")),
    *((*DECLARE, "--primary", x) for x in ("nothing", "")),
    *((*DECLARE, "--seeds", x) for x in ("a,b", "-1")),
    (*DECLARE, "--clusters", "some"),
    *(("doctor", "--time-limit", x, *HOST) for x in ("-1", "nan", "inf", "0", "")),
    ("doctor", "--loader", "", *HOST), ("doctor",), ("doctor", "--"), ("doctor", "--", "no-such-command-at-all"),
    *(("verify", "--predictions", x, *HOST) for x in ("", "/abs/*", "../*")),
    ("verify",), ("verify", "--", "no-such-command-at-all"),
    *(("run", "--out", x, *HOST) for x in ("", "FILE", f"NEW/{LONG}")),
    *(("run", "--windows", x, *HOST) for x in ("sometimes", "0", "", "1.5")),
    *(("run", "--maps", x, *HOST) for x in ("-1", "few", "")),
    ("run", "--arm", "", *HOST), ("run", "--loader", "", *HOST), ("run",), ("run", "--", "no-such-command-at-all"),
    *(("run", "--probe", x, *HOST) for x in ("nothing", "", "uniform,nothing")),
    *(("explain", "--checkpoint", x, "--cif", "FILE") for x in ("", "NEW", "EMPTY")),
    *(("explain", "--checkpoint", "FILE", "--cif", x) for x in ("", "NEW", "EMPTY")),
    *((*EXPLAIN, flag, "") for flag in ("--text", "--out", "--host-dir", "--dataset", "--property")),
    (*EXPLAIN, "--out", "FILE"), (*EXPLAIN, "--host-dir", "EMPTY/none"), ("explain",), EXPLAIN,
    *((command, x) for command in ("status", "repair") for x in ("", "EMPTY/none", "FILE")),
    ("plugins", "--lod"), ("plugins", "extra"), ("completion", "fish"), ("completion", ""), ("nothing",), ("--nothing",),
]  # fmt: skip


def _words(case: tuple[str, ...], folder: Path) -> list[str]:
    (folder / "empty").mkdir()
    (folder / "file").write_text("x", encoding="utf-8")
    places = {"EMPTY": folder / "empty", "FILE": folder / "file", "NEW": folder / "new"}
    words = []
    for word in case:
        for name, path in places.items():
            if word == name or word.startswith(f"{name}/"):
                word = word.replace(name, str(path), 1)
        words.append(word)
    return words


@pytest.mark.parametrize("case", BAD, ids=lambda case: " ".join(case)[:60])
def test_a_bad_value_is_refused_in_one_sentence_and_nothing_is_written(
    case: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code  # type: ignore[assignment]
    said = capsys.readouterr()
    assert code == 2, said
    assert len(said.err.splitlines()) == 1, said.err
    assert said.out == ""
    assert ".." not in said.err.replace("../", "").replace("...", "")
    assert sorted(tmp_path.rglob("*")) == before


def _arguments() -> list[tuple[str, argparse.Action]]:
    parser = build_parser("*")
    subs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return [(n, a) for n, sub in subs.choices.items() for a in sub._actions if a.nargs != 0]


@pytest.mark.parametrize(
    ("command", "action"), _arguments(), ids=lambda v: v if isinstance(v, str) else v.dest
)
def test_every_argument_has_a_bad_value_here(command: str, action: argparse.Action) -> None:
    mine = [case for case in BAD if case[0] == command]
    flags = action.option_strings
    assert any(flag in case for case in mine for flag in flags) if flags else mine, f"{command} {action.dest}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples(command: str) -> None:
    parser = build_parser(command)
    subs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    text = subs.choices[command].format_help()
    assert "examples:\n" in text
    assert f"crysmm-attn {command}" in text.split("examples:", 1)[1]


def test_a_near_miss_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for words, near in ((["reprot"], "report"), (["report", "x", "--basline", "y"], "--baseline")):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert f"did you mean '{near}'?" in capsys.readouterr().err
