"""Files that the report's own parts write, a function a part (see ``formats.py``).

They take what they share (figures, paragraphs, the table, the sections of the parts before them) from ``request.draft``.
"""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports import latex_document, machine_tables, tables, word, workbook
from crysmm_attn_plugin.reports.chemiscope import write_chemiscope
from crysmm_attn_plugin.reports.markdown import report_markdown
from crysmm_attn_plugin.reports.prose import paragraphs as prose
from crysmm_attn_plugin.reports.prose import references
from crysmm_attn_plugin.reports.prose.summary import reporting_summary
from crysmm_attn_plugin.store.files import write_atomic


def make_figures(request: PartRequest) -> PartOutput:
    """Every figure as it was asked for."""
    return PartOutput(files=[f for record in request.draft.figures for f in record.files])


def make_csv(request: PartRequest) -> PartOutput:
    """Numbers of every test."""
    draft, result = request.draft, request.comparison.result
    draft.progress("tables")
    return PartOutput(
        files=[
            draft.text("attention_statistics.csv", machine_tables.seed_statistics(result)),
            draft.text("significance.csv", machine_tables.significance(result)),
        ]
    )


def make_tables(request: PartRequest) -> PartOutput:
    """The main table."""
    draft, comparison = request.draft, request.comparison
    draft.progress("tables")
    files = []
    for lang in request.langs:
        stem = draft.table_stem(lang)
        files.append(draft.text(f"{stem}.tex", tables.to_latex(draft.table, lang)))
        files.append(draft.text(f"{stem}.csv", tables.table_csv(draft.table, lang)))
    files.append(word.write_table(draft.table, request.folder / "table.docx", request.langs))
    path = request.folder / "table.xlsx"
    files.append(
        workbook.write_workbook(comparison.result, draft.table, comparison.samples, path, request.langs)
    )
    return PartOutput(files=files)


def make_paragraphs(request: PartRequest) -> PartOutput:
    """Paragraphs in every form, with their references."""
    draft, result = request.draft, request.comparison.result
    draft.progress("paragraphs")
    style, files = draft.style, []
    for lang in request.langs:
        files.append(draft.text(f"paragraphs.{lang}.md", prose.markdown(result, lang=lang, style=style)))
        stem = draft.table_stem(lang)
        document = latex_document.document(result, lang=lang, style=style, table_file=stem)
        files.append(draft.text(f"paragraphs.{lang}.tex", document))
    files.append(draft.text("paragraphs.tex", latex_document.alias(request.langs[0])))
    files.append(draft.text("references.bib", references.bibliography()))
    path = request.folder / "paragraphs.docx"
    files.append(
        word.write_paragraphs(result, draft.table, path, request.langs, style=style, pictures=request.folder)
    )
    return PartOutput(files=files)


def make_summary(request: PartRequest) -> PartOutput:
    """What journals ask of statistics."""
    request.draft.progress("reporting summary")
    texts = [reporting_summary(request.comparison.result, lang) for lang in request.langs]
    return PartOutput(files=[request.draft.text("reporting_summary.md", "\n\n".join(texts))])


def make_samples(request: PartRequest) -> PartOutput:
    """Every crystal."""
    frame = request.comparison.samples
    path = request.folder / "samples.parquet"
    return PartOutput(files=[write_atomic(path, lambda p: frame.to_parquet(p, index=False))])


def make_chemiscope(request: PartRequest) -> PartOutput:
    """Structures for chemiscope."""
    request.draft.progress("chemiscope")
    path = request.folder / "chemiscope.json.gz"
    write_chemiscope(request.comparison, path)
    return PartOutput(files=[path])


def make_markdown(request: PartRequest) -> PartOutput:
    """The report without interaction."""
    draft = request.draft
    figures, paragraphs = draft.shown_figures, draft.paragraphs
    draft.progress("report.md")
    text = report_markdown(
        request.comparison, figures, paragraphs, draft.table, draft.sections, request.langs
    )
    return PartOutput(files=[draft.text("report.md", text)])
