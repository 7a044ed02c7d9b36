"""The paper kit: LaTeX compiled by real TeX, Word documents laid out by LibreOffice, workbooks and CSV read back."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from docx import Document
from synthetic_results import VERDICTS, synthetic_result

from crysmm_attn_plugin.reports import latex_document, machine_tables, tables, word, workbook
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.references import REFERENCES, bibliography, cited_in

#: Names that a result may hold: TeX's, spreadsheets' and Markdown's special characters, other scripts, no place to break.
HOSTILE = (
    "=HYPERLINK(1)", "<b>50%_x</b> & \\input{y} $1 ^2 ~3 {} \"q\" -- ``", "后期融合", "Модель", "a\tb\x07c",
    "a_very_long_arm_name_without_any_space_in_it_that_goes_on_and_on_and_on", "[x](javascript:alert(1)) | *y* _z_ `c`",
)  # fmt: skip


def tool(name: str, package: str) -> str:
    """The program's path. Where checks run for everybody (``CI`` is set) it must be there; elsewhere its lack is said."""
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed (Debian: apt-get install {package}); this proof was NOT made"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def write_latex(result, folder: Path, style="nature") -> None:
    table = tables.main_table(result, style)
    for lang, stem in (("en", "table"), ("zh", "table.zh")):
        (folder / f"{stem}.tex").write_text(tables.to_latex(table, lang), encoding="utf-8")
        text = latex_document.document(result, lang=lang, style=style, table_file=stem)
        (folder / f"paragraphs.{lang}.tex").write_text(text, encoding="utf-8")
    (folder / "paragraphs.tex").write_text(latex_document.alias("en"), encoding="utf-8")
    (folder / "references.bib").write_text(bibliography(), encoding="utf-8")


def compile_tex(engine: str, stem: str, folder: Path, *, bibtex: bool = True) -> str:
    """The log of the last run; fails with the end of the log where TeX stops."""
    stop = ["-interaction=nonstopmode", "-halt-on-error"]
    # the first runs are for their references: what they would draw is thrown away
    undrawn = [engine, *stop, "-no-pdf" if engine == "xelatex" else "-draftmode"]
    steps = [undrawn, ["bibtex"], undrawn] if bibtex else []
    for command in (*steps, [engine, *stop]):
        done = subprocess.run(
            [*command, stem],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:]
    return (folder / f"{stem}.log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "lang", "package"),
    [
        ("pdflatex", "en", "texlive-latex-base texlive-latex-recommended"),
        ("xelatex", "zh", "texlive-xetex texlive-lang-chinese"),
    ],
)
@pytest.mark.parametrize("arms", [("full",), HOSTILE], ids=["two-arms", "hostile-names"])
def test_the_documents_compile_within_the_page_with_every_citation_found(
    engine, lang, package, arms, tmp_path
):
    tool(engine, package)
    result = synthetic_result(
        "supported", seeds=1 if len(arms) == 1 else 5, arms=arms, percents={"max_weight": 221.0}, truncated=2
    )
    write_latex(result, tmp_path, "gbt" if len(arms) > 1 else "nature")
    log = compile_tex(engine, f"paragraphs.{lang}", tmp_path)
    assert "Overfull \\hbox" not in log, re.findall(r"Overfull \\hbox.*", log)
    assert "Missing character" not in log or "Модель" in arms
    assert "undefined" not in log
    assert (tmp_path / f"paragraphs.{lang}.pdf").stat().st_size > 20_000


@pytest.mark.slow
def test_the_text_is_input_by_a_document_of_ones_own(tmp_path):
    tool("pdflatex", "texlive-latex-base texlive-latex-recommended")
    write_latex(synthetic_result("supported"), tmp_path)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{graphicx,array,booktabs,tabularx}\\begin{document}Before.\n"
        "\\input{paragraphs.en}\nAfter.\\end{document}\n",
        encoding="utf-8",
    )
    log = compile_tex("pdflatex", "paper", tmp_path, bibtex=False)
    assert "Output written on paper.pdf (" in log
    compile_tex("pdflatex", "paragraphs", tmp_path, bibtex=False)
    assert (tmp_path / "paragraphs.pdf").is_file()


def test_every_work_cited_is_in_the_bibliography_and_in_the_list():
    entries = bibliography().split("\n\n")
    assert [re.match(r"@\w+\{(\w+),", e)[1] for e in entries] == list(REFERENCES)
    for entry in entries:
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) +=", entry, flags=re.M))
    used = set()
    for word_, seeds in ((v, s) for v in VERDICTS for s in (1, 5)):
        result = synthetic_result(word_, seeds=seeds)
        for lang in ("en", "zh"):
            prose = " ".join(t for _, t in paragraphs.render(result, lang=lang).items())
            keys = cited_in(prose)
            text = latex_document.document(result, lang=lang)
            assert set(re.findall(r"[a-z]+", " ".join(re.findall(r"\\cite\{([^}]*)\}", text)))) == set(keys)
            shown = paragraphs.markdown(result, lang=lang)
            assert all(REFERENCES[k].full.split(" ")[0] in shown for k in keys)
            used |= set(keys)
    assert used == set(REFERENCES), "a work that no text cites stands in the list"


def test_the_paper_table_has_six_columns_in_every_style_and_no_empty_cell():
    for style in ("nature", "apa", "gbt"):
        table = tables.main_table(synthetic_result("supported", seeds=5), style)
        for lang in ("en", "zh"):
            assert len(table.columns[lang]) == 6
            assert all(len(row) == 6 and all(row) for row in table.rows[lang])
    gbt = tables.main_table(synthetic_result("supported"), "gbt")
    assert gbt.rows["zh"][0][0] == "注意力熵/奈特"
    assert "～" in gbt.rows["zh"][0][3]


def test_rises_ratios_undefined_changes_and_disagreement_reach_the_table():
    result = synthetic_result(
        "supported", seeds=5, percents={"max_weight": 221.0}, undefined=("gini",), disagree=("entropy",)
    )
    table = tables.main_table(result)
    changes = [row[4] for row in table.rows["en"]]
    assert changes[1] == "3.21-fold"
    assert changes[3] == "not defined"
    assert table.rows["en"][0][3].endswith("†")
    assert "† Test and interval disagree" in table.note["en"]
    assert "不作差异的论断" in table.note["zh"]


@pytest.mark.slow
def test_word_documents_break_no_word_and_hold_captions_and_references(tmp_path):
    soffice = tool("soffice", "libreoffice-writer-nogui")
    pdftotext = tool("pdftotext", "poppler-utils")
    result = synthetic_result("supported", seeds=5, arms=("full", *HOSTILE), percents={"max_weight": 221.0})
    table = tables.main_table(result)
    word.write_table(table, tmp_path / "table.docx", ("en", "zh"))
    word.write_paragraphs(
        result, table, tmp_path / "paragraphs.docx", ("en", "zh"), style="apa", pictures=tmp_path
    )
    subprocess.run(
        [soffice, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", "pdf",
         "--outdir", str(tmp_path), *(str(tmp_path / f"{stem}.docx") for stem in ("table", "paragraphs"))],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert (tmp_path / "paragraphs.pdf").is_file()
    laid_out = subprocess.run(
        [pdftotext, "-layout", str(tmp_path / "table.pdf"), "-"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    lines = [" ".join(line.replace("\u00a0", " ").split()) for line in laid_out.splitlines()]
    for cells in table.rows["en"][1:6]:
        wanted = " ".join(" ".join(cells).split())
        assert wanted in lines, (wanted, lines[:30])
    document = Document(str(tmp_path / "paragraphs.docx"))
    text = "\n".join(p.text for p in document.paragraphs)
    assert "Figure 1." in text
    assert "图1" in text
    assert "References" in text
    assert "参考文献" in text
    assert any(run.italic and run.text == "p" for p in document.paragraphs for run in p.runs)
    assert "Hill, M. O." in text


def test_the_widths_of_the_word_table_hold_every_cell_but_names(tmp_path):
    for lang in ("en", "zh"):
        table = tables.main_table(synthetic_result("supported", percents={"max_weight": 221.0}), "apa")
        rows = [table.columns[lang], *table.rows[lang]]
        widths = word.column_widths(rows)
        assert sum(widths) <= 470
        for cells in rows:
            assert all(word.text_width(c) < w for c, w in zip(cells[1:], widths[1:]))


def test_the_workbook_is_typed_and_runs_nothing(tmp_path):
    result = synthetic_result("supported", seeds=5, arms=HOSTILE)
    samples = pd.DataFrame(
        {"id": ["=1+1", "+2", "-3", "@a", "JVASP-1"], "entropy.full": [1.5, 2.0, float("nan"), 3.0, 4.0]}
    )
    table = tables.main_table(result)
    workbook.write_workbook(result, table, samples, tmp_path / "table.xlsx", ("en", "zh"))
    book = openpyxl.load_workbook(tmp_path / "table.xlsx")
    assert book.sheetnames == ["Table", "表", "Tests", "Crystals"]
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", (sheet.title, cell.coordinate, cell.value)
    first = book["Table"]
    pair = result.pairs[0]
    assert first["D3"].value == pytest.approx(pair.metric("entropy").paired.mean_difference)
    assert first["D3"].number_format == "0.00"
    assert isinstance(book["Crystals"]["B2"].value, float)
    assert book["Crystals"]["A2"].value == "=1+1"
    assert book["Tests"].max_row == 1 + sum(len(p.metrics) for p in result.pairs)


def test_csv_opens_right_in_a_spreadsheet():
    result = synthetic_result("supported", arms=HOSTILE, seeds=5, percents={"entropy": -23.6})
    table = tables.main_table(result)
    for lang in ("en", "zh"):
        text = tables.table_csv(table, lang)
        assert text.startswith("\ufeff")
        assert "−" not in text
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
        assert {len(r) for r in rows} == {8}
        assert not [c for r in rows for c in r if re.match(r"\s*[=@]|[+-][^\d]", c)]
        assert float(rows[2][3]) < 0


def test_the_guides_csv_says_which_way_is_better():
    text = machine_tables.seed_statistics(synthetic_result("partial", seeds=1))
    frame = pd.read_csv(io.StringIO(text.removeprefix("\ufeff")))
    assert list(frame)[:5] == [
        "Metric", "Full Model (with Middle Fusion)", "No Middle Fusion", "Improvement (%)", "Better or worse",
    ]  # fmt: skip
    assert list(frame["Better or worse"]) == ["better", "not shown", "better", "not shown"]
    worse = machine_tables.seed_statistics(synthetic_result("contradicted", seeds=1))
    assert set(pd.read_csv(io.StringIO(worse.removeprefix("\ufeff")))["Better or worse"]) == {"worse"}
