"""The report's own parts, registered through the hook that anyone's are: each a word of ``report --format``.

They take what they share (figures, paragraphs, the table, the sections of the parts before them) from ``request.draft``.
Libraries are imported where a part is made, so that listing the parts costs nothing.
"""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import LAST, PartOutput, PartRequest, ReportPart
from crysmm_attn_plugin.reports import added_metrics, aligned, machine_tables, references, tables, workbook
from crysmm_attn_plugin.store.files import write_atomic


def _figures(request: PartRequest) -> PartOutput:
    return PartOutput(files=[f for record in request.draft.figures for f in record.files])


def _alignment(request: PartRequest) -> PartOutput | None:
    return aligned.make(request)


def _added_metrics(request: PartRequest) -> PartOutput | None:
    return added_metrics.make(request)


def _faithfulness(request: PartRequest) -> PartOutput | None:
    from crysmm_attn_plugin.reports import faithfulness  # numpy, pandas

    return faithfulness.make(request)


def _heads(request: PartRequest) -> PartOutput | None:
    from crysmm_attn_plugin.reports import heads  # numpy, pandas

    return heads.make(request)


def _csv(request: PartRequest) -> PartOutput:
    draft, result = request.draft, request.comparison.result
    draft.progress("tables")
    return PartOutput(
        files=[
            draft.text("attention_statistics.csv", machine_tables.seed_statistics(result)),
            draft.text("significance.csv", machine_tables.significance(result)),
        ]
    )


def _tables(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports import word

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


def _paragraphs(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports import latex_document, word
    from crysmm_attn_plugin.reports import paragraphs as prose  # jinja2

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


def _summary(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports.summary import reporting_summary  # jinja2

    request.draft.progress("reporting summary")
    texts = [reporting_summary(request.comparison.result, lang) for lang in request.langs]
    return PartOutput(files=[request.draft.text("reporting_summary.md", "\n\n".join(texts))])


def _samples(request: PartRequest) -> PartOutput:
    frame = request.comparison.samples
    path = request.folder / "samples.parquet"
    return PartOutput(files=[write_atomic(path, lambda p: frame.to_parquet(p, index=False))])


def _chemiscope(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports.chemiscope import write_chemiscope  # numpy

    request.draft.progress("chemiscope")
    path = request.folder / "chemiscope.json.gz"
    write_chemiscope(request.comparison, path)
    return PartOutput(files=[path])


def _markdown(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports.markdown import report_markdown  # jinja2

    draft = request.draft
    figures, paragraphs = draft.shown_figures, draft.paragraphs
    draft.progress("report.md")
    text = report_markdown(
        request.comparison, figures, paragraphs, draft.table, draft.sections, request.langs
    )
    return PartOutput(files=[draft.text("report.md", text)])


def _html(request: PartRequest) -> PartOutput:
    from crysmm_attn_plugin.reports.page import write_page  # jinja2, matplotlib, pandas

    draft = request.draft
    figures, paragraphs = draft.figures, draft.paragraphs
    draft.progress("page")
    path = write_page(
        request.comparison, request.folder, figures=figures, paragraphs=paragraphs, table=draft.table,
        sections=draft.sections, langs=request.langs,
    )  # fmt: skip
    return PartOutput(files=[path])


#: In the order of ``--help``; what must be made after what is said by ``after``.
PARTS = (
    ReportPart("csv", _csv, "numbers of every test", files=("attention_statistics.csv", "significance.csv")),
    ReportPart(
        "figures", _figures, "every figure as PNG, PDF and SVG",
        files=("attention_statistics_comparison.png", "attention_heatmap_example_*", "figures"),
    ),
    ReportPart(
        "tables", _tables, "the main table for papers and spreadsheets",
        files=("table.tex", "table.csv", "table.{lang}.tex", "table.{lang}.csv", "table.docx", "table.xlsx"),
    ),
    ReportPart(
        "paragraphs", _paragraphs, "paragraphs for a paper", after=("figures",),
        files=("paragraphs.{lang}.md", "paragraphs.tex", "paragraphs.{lang}.tex", "paragraphs.docx", "references.bib"),
    ),
    ReportPart("summary", _summary, "what journals ask of statistics", files=("reporting_summary.md",)),
    ReportPart("markdown", _markdown, "the report without interaction", after=(LAST,), files=("report.md",)),
    ReportPart("html", _html, "the page", after=(LAST,), files=("report.html",)),
    ReportPart("samples", _samples, "every crystal", files=("samples.parquet",)),
    ReportPart("chemiscope", _chemiscope, "structures for chemiscope", files=("chemiscope.json.gz",)),
    ReportPart("alignment", _alignment, "alignment with the text, blocks and sentences: table, figure"),
    ReportPart("heads", _heads, "what each head reads, how heads differ, and what each is worth"),
    ReportPart("added_metrics", _added_metrics, "metrics that plugins added: sentence, table, figure"),
    ReportPart("faithfulness", _faithfulness, "whether the attention is used: effects of interventions"),
)  # fmt: skip
