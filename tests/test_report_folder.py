"""The report folder as a whole: its files, parts asked for alone, numbers that resolve, hostile data, interruption."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from docx import Document
from page_kit import Crystal, capture, crystals, two_arms
from resolve_numbers import unresolved

from crysmm_attn_plugin import compare_runs
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports.write import FORMATS
from crysmm_attn_plugin.stats.results import ComparisonResult

SEED_FILES = {
    "attention_statistics_comparison.png",
    "attention_statistics.csv",
    "attention_heatmap_example_1.png",
    "attention_heatmap_example_2.png",
    "attention_heatmap_example_3.png",
}
OTHER_FILES = {
    "report.html", "report.md", "paragraphs.en.md", "paragraphs.zh.md", "paragraphs.tex", "table.tex", "table.csv",
    "table.docx", "significance.csv", "reporting_summary.md", "figures", "result.json", "samples.parquet",
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
    assert names == SEED_FILES | OTHER_FILES
    assert all(p.stat().st_size > 100 for p in report.iterdir() if p.is_file())
    assert {p.suffix for p in (report / "figures").iterdir()} == {".png", ".pdf", ".svg"}


@pytest.mark.slow
def test_the_statistics_csv_begins_with_the_guides_columns_and_metrics(report):
    with (report / "attention_statistics.csv").open(encoding="utf-8") as handle:
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
    "name", ["report.md", "paragraphs.en.md", "paragraphs.zh.md", "reporting_summary.md", "table.csv"]
)
def test_every_number_of_the_texts_is_in_the_result(report, name):
    stored = json.loads((report / "result.json").read_text(encoding="utf-8"))
    text = (report / name).read_text(encoding="utf-8")
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
    assert [c.text for c in first.columns[1].cells][1].startswith("Attention entropy")
    assert "w:tcBorders" in first._tbl.xml


@pytest.mark.slow
@pytest.mark.parametrize("part", FORMATS)
def test_a_part_can_be_asked_for_alone(comparison, part, tmp_path):
    out = comparison.write(tmp_path / "report", formats=[part], lang=("en",))
    names = {p.name for p in out.iterdir()}
    made = {
        "json": {"result.json"}, "csv": {"attention_statistics.csv", "significance.csv"},
        "tables": {"table.tex", "table.csv", "table.docx"}, "paragraphs": {"paragraphs.en.md", "paragraphs.tex"},
        "summary": {"reporting_summary.md"}, "markdown": {"report.md"}, "html": {"report.html"},
        "samples": {"samples.parquet"}, "chemiscope": {"chemiscope.json.gz"},
        "figures": {"figures", *(n for n in SEED_FILES if n.endswith(".png"))},
    }[part]  # fmt: skip
    assert names == made | {"result.json"}


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

    monkeypatch.setattr("crysmm_attn_plugin.reports.tables.significance", full_disk)
    with pytest.raises(OSError, match="No space left"):
        comparison.write(out, formats=["json", "csv"])
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["report"], "nothing half-made is left beside it"


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


@pytest.mark.slow
def test_several_arms_and_seeds_are_compared_with_the_baseline_one_by_one(tmp_path):
    chosen = crystals(25)
    arms = {}
    for arm, sharpness in (("full", 1.8), ("early", 1.4), ("no_middle", 1.0)):
        arms[arm] = [capture(tmp_path, arm, chosen, sharpness=sharpness, seed=s) for s in range(2)]
    found = compare_runs(**arms, n_resamples=200)
    assert [(p.arm, p.baseline, p.claim) for p in found.result.pairs] == [
        ("full", "no_middle", "preliminary"),
        ("early", "no_middle", "preliminary"),
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
    for name in ("table.tex", "paragraphs.tex"):
        assert "\\input{x}" not in (out / name).read_text(encoding="utf-8")
    for name in ("attention_statistics.csv", "significance.csv", "table.csv"):
        with (out / name).open(encoding="utf-8") as handle:
            assert not [c for row in csv.reader(handle) for c in row if re.match(r"[=@]|[+-][^\d]", c)]
