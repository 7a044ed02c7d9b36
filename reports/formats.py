"""The report's own parts, registered through the hook that anyone's are: each a word of ``report --format``.

What makes a part is loaded when it is made, so that listing the parts costs nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from crysmm_attn_plugin.descriptors import LAST, PartOutput, PartRequest, ReportPart


def _in(module: str, name: str = "make") -> Callable[[PartRequest], PartOutput | None]:
    """A part made by a function of a module of ``reports``."""

    def make(request: PartRequest) -> PartOutput | None:
        output: PartOutput | None = getattr(importlib.import_module(f"{__package__}.{module}"), name)(request)
        return output

    return make


#: In the order of ``--help``; what must be made after what is said by ``after``.
PARTS = (
    ReportPart("csv", _in("part_files", "make_csv"), "numbers of every test", files=("attention_statistics.csv", "significance.csv")),
    ReportPart(
        "figures", _in("part_files", "make_figures"), "every figure as PNG, PDF and SVG",
        files=("attention_statistics_comparison.png", "attention_heatmap_example_*", "figures"),
    ),
    ReportPart(
        "tables", _in("part_files", "make_tables"), "the main table for papers and spreadsheets",
        files=("table.tex", "table.csv", "table.{lang}.tex", "table.{lang}.csv", "table.docx", "table.xlsx"),
    ),
    ReportPart(
        "paragraphs", _in("part_files", "make_paragraphs"), "paragraphs for a paper", after=("figures",),
        files=("paragraphs.{lang}.md", "paragraphs.tex", "paragraphs.{lang}.tex", "paragraphs.docx", "references.bib"),
    ),
    ReportPart("summary", _in("part_files", "make_summary"), "what journals ask of statistics", files=("reporting_summary.md",)),
    ReportPart("markdown", _in("part_files", "make_markdown"), "the report without interaction", after=(LAST,), files=("report.md",)),
    ReportPart("html", _in("page.part"), "the page", after=(LAST,), files=("report.html",)),
    ReportPart("samples", _in("part_files", "make_samples"), "every crystal", files=("samples.parquet",)),
    ReportPart("chemiscope", _in("part_files", "make_chemiscope"), "structures for chemiscope", files=("chemiscope.json.gz",)),
    ReportPart("alignment", _in("aligned"), "alignment with the text, blocks and sentences: table, figure"),
    ReportPart("heads", _in("heads"), "what each head reads, how heads differ, and what each is worth"),
    ReportPart("added_metrics", _in("added_metrics"), "metrics that plugins added: sentence, table, figure"),
    ReportPart("faithfulness", _in("faithfulness"), "whether the attention is used: effects of interventions"),
)  # fmt: skip
