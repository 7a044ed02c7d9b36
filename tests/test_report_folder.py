"""The report folder as a whole: its files, parts asked for alone, numbers that resolve, hostile data, interruption."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from docx import Document
from page_kit import Crystal, capture, crystals, two_arms
from resolve_numbers import unresolved

from crysmm_attn_plugin import compare_runs, open_run
from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.reports.baseline import choose_baseline
from crysmm_attn_plugin.reports.comparison import compare_arms
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.request import FORMATS, check_folder
from crysmm_attn_plugin.stats.results import ComparisonResult

SEED_FILES = {
    "attention_statistics_comparison.png",
    "attention_statistics.csv",
    "attention_heatmap_example_1.png",
    "attention_heatmap_example_2.png",
    "attention_heatmap_example_3.png",
}
OTHER_FILES = {
    "report.html", "report.md", "paragraphs.en.md", "paragraphs.zh.md", "paragraphs.tex", "paragraphs.en.tex",
    "paragraphs.zh.tex", "paragraphs.docx", "references.bib", "table.tex", "table.zh.tex", "table.csv", "table.zh.csv",
    "table.docx", "table.xlsx", "significance.csv", "reporting_summary.md", "figures", "result.json", "samples.parquet",
    "chemiscope.json.gz",
}  # fmt: skip


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory):
    return two_arms(tmp_path_factory.mktemp("runs"), crystals(40))


@pytest.fixture(scope="module")
def report(comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comparison.write(tmp_path_factory.mktemp("out") / "report")


@pytest.mark.slow
def test_the_folder_holds_the_guides_five_files_and_ours(report):
    names = {p.name for p in report.iterdir()}
    assert names == SEED_FILES | OTHER_FILES | {".written.json"}
    small = {p.name: p.stat().st_size for p in report.iterdir() if p.is_file() and p.stat().st_size <= 60}
    assert small == {}
    assert {p.suffix for p in (report / "figures").iterdir()} == {".png", ".pdf", ".svg", ".json"}


@pytest.mark.slow
def test_the_statistics_csv_begins_with_the_guides_columns_and_metrics(report):
    with (report / "attention_statistics.csv").open(encoding="utf-8-sig") as handle:
        head, *rows = list(csv.reader(handle))
    assert head[:4] == ["Metric", "Full Model (with Middle Fusion)", "No Middle Fusion", "Improvement (%)"]
    assert [r[0] for r in rows] == ["entropy", "max_weight", "effective_tokens", "gini"]
    numbers = pd.read_csv(report / "attention_statistics.csv")
    assert numbers["Difference"].dtype == float, "a negative number is no text"
    assert numbers["Difference"].iloc[0] < 0 < numbers["Difference"].iloc[1]
    assert numbers[["CI low", "CI high", "p", "Adjusted p", "N"]].notna().all().all()


@pytest.mark.slow
def test_the_result_reads_back_as_it_was(report, comparison):
    stored = json.loads((report / "result.json").read_text(encoding="utf-8"))
    again = ComparisonResult.from_dict(stored)
    assert again.to_dict() == json.loads(json.dumps(comparison.result.to_dict()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "report.md",
        "paragraphs.en.md",
        "paragraphs.zh.md",
        "reporting_summary.md",
        "table.csv",
        "table.zh.csv",
    ],
)
def test_every_number_of_the_texts_is_in_the_result(report, name):
    stored = json.loads((report / "result.json").read_text(encoding="utf-8"))
    text = (report / name).read_text(encoding="utf-8-sig")
    text = re.sub(r"!\[.*?\]\(figures/[^)]*\)", lambda m: m.group().split("](")[0], text, flags=re.S)
    text = text.replace("\\", "").replace("&lt;", "<").replace("&amp;", "&").replace(" %", "%")
    assert not unresolved(text, stored)


@pytest.mark.slow
def test_significance_has_a_row_per_metric_pair_and_scope(report, comparison):
    table = pd.read_csv(report / "significance.csv")
    assert len(table) == sum(len(p.metrics) for p in comparison.result.pairs)
    assert not table.duplicated(["arm", "baseline", "metric", "direction", "scope", "aggregation"]).any()


@pytest.mark.slow
def test_the_samples_have_one_row_per_crystal_with_both_arms(report):
    samples = pd.read_parquet(report / "samples.parquet")
    assert samples["id"].is_unique
    assert {"prediction.full", "prediction.no_middle", "entropy.full", "entropy.no_middle"} <= set(samples)


@pytest.mark.slow
def test_the_word_table_has_three_lines_and_every_metric(report):
    document = Document(str(report / "table.docx"))
    assert len(document.tables) == 2
    first = document.tables[0]
    assert [c.text for c in first.columns[0].cells][1].startswith("Attention entropy")
    assert len(first.columns) == 6
    assert "w:tcBorders" in first._tbl.xml


@pytest.mark.slow
@pytest.mark.parametrize("part", FORMATS)
def test_a_part_can_be_asked_for_alone(comparison, part, tmp_path):
    out = comparison.write(tmp_path / "report", formats=[part], lang=("en",))
    names = {p.name for p in out.iterdir()}
    made = {
        "json": {"result.json"}, "csv": {"attention_statistics.csv", "significance.csv"},
        "tables": {"table.tex", "table.csv", "table.docx", "table.xlsx"},
        "paragraphs": {"paragraphs.en.md", "paragraphs.tex", "paragraphs.en.tex", "paragraphs.docx", "references.bib"},
        "summary": {"reporting_summary.md"}, "markdown": {"report.md"}, "html": {"report.html"},
        "samples": {"samples.parquet"}, "chemiscope": {"chemiscope.json.gz"},
        "figures": {"figures", *(n for n in SEED_FILES if n.endswith(".png"))},
    }[part]  # fmt: skip
    assert names == made | {"result.json", ".written.json"}


def test_unknown_parts_languages_and_styles_are_refused_in_one_sentence(comparison, tmp_path):
    for wrong in ({"formats": ["pdf"]}, {"lang": ("fr",)}, {"style": "mla"}):
        with pytest.raises(UsageError, match="choose from"):
            comparison.write(tmp_path / "report", **wrong)
    assert not (tmp_path / "report").exists()


def test_a_report_that_fails_leaves_the_earlier_one_as_it_was(comparison, tmp_path, monkeypatch):
    out = comparison.write(tmp_path / "report", formats=["json", "csv"])
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def full_disk(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crysmm_attn_plugin.reports.machine_tables.significance", full_disk)
    with pytest.raises(AttnError, match="No space left on device; nothing there was changed"):
        comparison.write(out, formats=["json", "csv"])
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["report"], "nothing half-made is left beside it"


def test_an_edited_paragraph_is_never_overwritten(comparison, tmp_path, caplog):
    out = comparison.write(tmp_path / "report", formats=["paragraphs"], lang=("en",))
    edited = out / "paragraphs.en.md"
    edited.write_text("mine now", encoding="utf-8")
    comparison.write(out, formats=["paragraphs"], lang=("en",))
    assert edited.read_text(encoding="utf-8") == "mine now"
    assert "## Results" in (out / "paragraphs.en.new.md").read_text(encoding="utf-8")
    assert "was edited and stays as it is" in caplog.text


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("", "name is empty"), ("a/../" + "x" * 300, "too long"), ("blocked/report", "is a file"),
        ("blocked", "is a file"), ("closed/report", "may not be written"), ("a\0b", "null character"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch, out, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocked").write_text("a file", encoding="utf-8")
    (tmp_path / "closed").mkdir()
    before = sorted(p.name for p in tmp_path.iterdir())
    real = os.access
    # tests may run as root, whom no permission stops
    monkeypatch.setattr(os, "access", lambda p, mode: "closed" not in str(p) and real(p, mode))
    with pytest.raises(UsageError, match=words):
        check_folder(out)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_files_that_are_no_reports_are_kept(comparison, tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    comparison.write(out, formats=["json", "csv"])
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert (out / "result.json").exists()


@pytest.mark.slow
def test_one_arm_alone_is_described(tmp_path):
    run = capture(tmp_path, "full", crystals(20))
    found = compare_runs(full=[run])
    assert not found.result.pairs
    out = found.write(tmp_path / "report")
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "Nothing is compared" in text
    assert "此处不作比较" in text
    assert (out / "report.html").stat().st_size > 10_000


def test_a_baseline_is_named_or_asked_for_and_never_taken_by_the_alphabet(tmp_path):
    chosen = crystals(12)
    arms = {name: [capture(tmp_path, name, chosen, sharpness=s)] for name, s in (("abc", 1.8), ("zzz", 1.0))}
    with pytest.raises(UsageError, match="name it: --baseline"):
        compare_runs(**arms, n_resamples=99)
    named = compare_runs(**arms, baseline="zzz", n_resamples=99).result
    assert (named.baseline, named.baseline_known) == ("zzz", True)
    guessed = compare_arms(
        {k: [open_run(p) for p in v] for k, v in arms.items()}, guess_baseline=True, n_resamples=99
    )
    assert not guessed.result.baseline_known
    assert "arms_not_named" in guessed.result.pairs[0].claim_reasons
    text = paragraphs.render(guessed.result).results
    assert "hypothesis" not in text
    assert "concentrated on" not in text


@pytest.mark.parametrize("name", ["无中期融合", "NO_MIDDLE", "后期", "基线"])
def test_known_names_of_the_baseline_in_both_languages(name):
    assert choose_baseline({"aaa": [], name: []}) == name


def test_a_checkpoint_is_not_compared_with_itself(tmp_path):
    run = open_run(capture(tmp_path, "full", crystals(12)))
    with pytest.raises(UsageError, match="compares a checkpoint with itself") as refused:
        compare_arms({"full": [run], "no_middle": [run]})
    assert refused.value.exit_code == 2


@pytest.mark.slow
def test_several_arms_and_seeds_are_compared_with_the_baseline_one_by_one(tmp_path):
    chosen = crystals(25)
    arms = {}
    for arm, sharpness in (("full", 1.8), ("early", 1.4), ("no_middle", 1.0)):
        arms[arm] = [capture(tmp_path, arm, chosen, sharpness=sharpness, seed=s) for s in range(2)]
    found = compare_runs(**arms, n_resamples=200)
    assert [(p.arm, p.baseline, p.claim) for p in found.result.pairs] == [
        ("full", "no_middle", "estimates"),
        ("early", "no_middle", "estimates"),
    ]
    out = found.write(tmp_path / "report", lang=("en",))
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "Full model against model without middle fusion" in text
    assert "Early model against model without middle fusion" in text
    stored = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert not unresolved(
        (out / "paragraphs.en.md")
        .read_text(encoding="utf-8")
        .replace("\\", "")
        .replace("&lt;", "<")
        .replace("&amp;", "&"),
        stored,
    )


@pytest.mark.slow
def test_hostile_data_is_harmless_in_every_file(tmp_path):
    hostile = [
        Crystal("../../etc/passwd", ("Na", "Cl"), text="<script>alert(1)</script> & \\input{x} | `code`"),
        Crystal("=cmd|' /C calc'!A0", ("Si",), formula="=1+1"),
        *crystals(20),
    ]
    out = two_arms(tmp_path / "runs", hostile).write(tmp_path / "report")
    assert not (tmp_path / "etc").exists()
    for path in out.rglob("*"):
        assert path.resolve().is_relative_to(out.resolve())
    for name in ("report.md", "report.html"):
        assert "<script>alert(1)" not in (out / name).read_text(encoding="utf-8")
    for name in ("table.tex", "table.zh.tex", "paragraphs.en.tex", "paragraphs.zh.tex"):
        assert "\\input{x}" not in (out / name).read_text(encoding="utf-8")
    for name in ("attention_statistics.csv", "significance.csv", "table.csv"):
        with (out / name).open(encoding="utf-8-sig") as handle:
            assert not [c for row in csv.reader(handle) for c in row if re.match(r"[=@]|[+-][^\d]", c)]
