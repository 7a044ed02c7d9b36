"""``crysmm-attn report``: what cannot be used is told in one sentence before any work, with exit code 2."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from page_kit import capture, crystals

from crysmm_attn_plugin.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    chosen = crystals(12)
    for name, sharpness in (("early", 1.8), ("deep", 1.0)):
        capture(folder, name, chosen, sharpness=sharpness)
    return folder


BAD = {
    "language": (["--lang", "fr"], "choose from"),
    "no language": (["--lang", ","], "none given"),
    "style": (["--style", "mla"], "mla"),
    "format": (["--format", "pdf"], "choose from"),
    "negative seed": (["--seed", "-1"], "--seed must be a whole number of 0 or more"),
    "huge seed": (["--seed", "99999999999999999999"], "--seed"),
    "resamples for ever": (
        ["--resamples", "1000000000"],
        "--resamples must be a whole number between 99 and 1,000,000",
    ),
    "few resamples": (["--resamples", "3"], "--resamples"),
    "level": (["--alpha", "nan"], "alpha"),
    "smallest effect that is no number": (["--smallest-effect", "entropy=nan"], "METRIC=PERCENT"),
    "smallest effect without end": (["--smallest-effect", "entropy=inf"], "METRIC=PERCENT"),
    "smallest effect of nothing": (["--smallest-effect", "nothing=5"], "METRIC=PERCENT"),
    "no folder": (["--out", ""], "is empty"),
    "overlong name": (["--out", "x" * 300], "too long"),
    "a file in the way": (["--out", "blocked"], "is a file"),
    "below a file": (["--out", "blocked/report"], "is a file"),
    "no such baseline": (["--baseline", "nobody"], "no such arm"),
    "no known baseline": ([], "name it: --baseline"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_refused_before_the_work_in_one_sentence(case, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocked").write_text("a file", encoding="utf-8")
    flags, words = BAD[case]
    started = time.perf_counter()
    try:
        code = main(["report", str(runs), *flags])
    except SystemExit as stop:  # argparse's own refusal
        code = stop.code
    assert code == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert (
        len(
            [line for line in said.err.splitlines() if line.startswith("crysmm-attn") and ": error: " in line]
        )
        == 1
    )
    assert [p.name for p in tmp_path.iterdir()] == ["blocked"]
    assert time.perf_counter() - started < 20


def test_a_named_baseline_is_reported(runs, tmp_path, capsys):
    out = tmp_path / "report"
    flags = ["--baseline", "deep", "--format", "csv", "--resamples", "99", "--out", str(out)]
    assert main(["report", str(runs), *flags]) == 0
    assert "early against deep, 12 crystals" in capsys.readouterr().out
    assert (out / "attention_statistics.csv").is_file()
