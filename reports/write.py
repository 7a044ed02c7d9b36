"""The whole report as one folder: made beside its place, moved there when it is complete; edited files stay."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports import machine_tables, tables
from crysmm_attn_plugin.reports.parts import make_parts
from crysmm_attn_plugin.reports.request import LANGUAGES, check_request, short_path
from crysmm_attn_plugin.store.files import write_atomic, write_json
from crysmm_attn_plugin.store.folders import write_folder_atomic

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison
    from crysmm_attn_plugin.reports.prose_facts import Style
    from crysmm_attn_plugin.stats.results import ComparisonResult

#: A folder with this file is a report, and may be replaced by one.
MARKER = "result.json"

log = logging.getLogger("crysmm_attn")
Progress = Callable[[str], None]


def write_report(
    comparison: Comparison,
    out_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    langs: Sequence[str] = LANGUAGES,
    style: str = "nature",
    progress: Progress | None = None,
) -> Path:
    """Write a report folder.

    Args:
        comparison: What to report.
        out_dir: The folder. An earlier report there stays as it is until the new one is complete; files beside it that
            are not a report's are kept.
        formats: Some of ``FORMATS``; all when None.
        langs: Languages, at least one.
        style: ``nature``, ``apa`` or ``gbt``.
        progress: Called with the name of each part before it is made.

    Returns:
        The folder.

    Raises:
        UsageError: On an unknown format, language or style, or a folder that cannot be written.
        AttnError: When the disk fails under way; what was there is unharmed.
    """
    wanted, languages, number_style, target = check_request(
        out_dir, formats=formats, langs=langs, style=style
    )
    work = progress or (lambda part: None)
    try:
        written = write_folder_atomic(
            target,
            lambda stage: _fill(comparison, stage, target, wanted, languages, number_style, work),
            marker=MARKER,
            names=_REPORT_NAMES | {"attention_heatmap_example_*"},
        )
    except OSError as error:
        raise AttnError(
            f"the report could not be written to {short_path(target)}: {error.strerror or error}; nothing there was changed. Make "
            "room or name another folder."
        ) from error
    for edited, beside in written.kept:
        log.warning("%s was edited and stays as it is; the new version is %s", target / edited, beside)
    get_plugin_manager().hooks.report_written(comparison=comparison, report_dir=target)
    return target


def _fill(
    comparison: Comparison,
    out: Path,
    target: Path,
    wanted: set[str],
    langs: tuple[str, ...],
    style: Style,
    progress: Progress,
) -> None:
    result = comparison.result
    figures: list[Any] = []
    paragraphs: dict[str, Any] = {}
    sections: list[Any] = []
    table = tables.main_table(result, style)
    if wanted & {"figures", "html", "markdown"}:
        from crysmm_attn_plugin.reports.figures import FIGURE_FORMATS, write_figures

        progress("figures")
        # a page alone needs the vectors only; what an earlier report has drawn of the same data is not drawn again
        files = FIGURE_FORMATS if "figures" in wanted else ("svg",)
        figures = write_figures(comparison, out, langs=langs, formats=files, earlier=target)
    if wanted & {"paragraphs", "html", "markdown"}:
        from crysmm_attn_plugin.reports import paragraphs as prose

        progress("paragraphs")
        pairs = range(max(len(result.pairs), 1))
        paragraphs = {
            lang: [prose.render(result, lang=lang, style=style, pair=i) for i in pairs] for lang in langs
        }
        if "paragraphs" in wanted:
            _paragraphs(result, out, langs, style)
    if wanted & {"html", "markdown"}:
        from crysmm_attn_plugin.reports.sections import plugin_sections

        sections = plugin_sections(comparison)
    made, part_numbers = make_parts(comparison, out, wanted, langs, style)
    sections = [*made, *sections]
    if "csv" in wanted:
        progress("tables")
        _text(out / "attention_statistics.csv", machine_tables.seed_statistics(result))
        _text(out / "significance.csv", machine_tables.significance(result))
    if "tables" in wanted:
        from crysmm_attn_plugin.reports import word, workbook

        progress("tables")
        for lang in langs:
            stem = _table_stem(lang, langs)
            _text(out / f"{stem}.tex", tables.to_latex(table, lang))
            _text(out / f"{stem}.csv", tables.table_csv(table, lang))
        word.write_table(table, out / "table.docx", langs)
        workbook.write_workbook(result, table, comparison.samples, out / "table.xlsx", langs)
    if "summary" in wanted:
        from crysmm_attn_plugin.reports.summary import reporting_summary

        progress("reporting summary")
        _text(out / "reporting_summary.md", "\n\n".join(reporting_summary(result, lang) for lang in langs))
    if "markdown" in wanted:
        from crysmm_attn_plugin.reports.markdown import report_markdown

        progress("report.md")
        # without the pictures beside it, captions and no dead links
        shown = figures if "figures" in wanted else [dataclasses.replace(f, files=()) for f in figures]
        _text(out / "report.md", report_markdown(comparison, shown, paragraphs, table, sections, langs))
    if "html" in wanted:
        from crysmm_attn_plugin.reports.page import write_page

        progress("page")
        write_page(
            comparison,
            out,
            figures=figures,
            paragraphs=paragraphs,
            table=table,
            sections=sections,
            langs=langs,
        )
    if "paragraphs" in wanted:
        from crysmm_attn_plugin.reports import word

        word.write_paragraphs(result, table, out / "paragraphs.docx", langs, style=style, pictures=out)
    if "chemiscope" in wanted:
        from crysmm_attn_plugin.reports.chemiscope import write_chemiscope

        progress("chemiscope")
        write_chemiscope(comparison, out / "chemiscope.json.gz")
    if "samples" in wanted:
        write_atomic(out / "samples.parquet", lambda p: comparison.samples.to_parquet(p, index=False))
    if "figures" not in wanted:
        for name in ("figures", *(p.name for p in out.glob("attention_*.png"))):
            _remove(out / name)
    drawn = {record.name: record.numbers for record in figures if record.numbers}
    write_json(out / MARKER, {**result.to_dict(), "figures": drawn, "parts": part_numbers})


def _paragraphs(result: ComparisonResult, out: Path, langs: tuple[str, ...], style: Style) -> None:
    from crysmm_attn_plugin.reports import latex_document
    from crysmm_attn_plugin.reports import paragraphs as prose
    from crysmm_attn_plugin.reports.references import bibliography

    for lang in langs:
        _text(out / f"paragraphs.{lang}.md", prose.markdown(result, lang=lang, style=style))
        stem = _table_stem(lang, langs)
        _text(
            out / f"paragraphs.{lang}.tex",
            latex_document.document(result, lang=lang, style=style, table_file=stem),
        )
    _text(out / "paragraphs.tex", latex_document.alias(langs[0]))
    _text(out / "references.bib", bibliography())


def _table_stem(lang: str, langs: Sequence[str]) -> str:
    """``table`` in the report's first language, ``table.zh`` in its second."""
    return "table" if lang == langs[0] else f"table.{lang}"


_REPORT_NAMES = {
    "attention_statistics_comparison.png", "attention_statistics.csv", "report.html", "report.md", "paragraphs.en.md",
    "paragraphs.zh.md", "paragraphs.tex", "paragraphs.en.tex", "paragraphs.zh.tex", "paragraphs.docx", "references.bib",
    "table.tex", "table.csv", "table.docx", "table.xlsx", "table.zh.tex", "table.zh.csv", "table.en.tex", "table.en.csv",
    "significance.csv",
    "reporting_summary.md", "figures", "result.json", "samples.parquet", "chemiscope.json.gz",
}  # fmt: skip


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _text(path: Path, text: str) -> None:
    write_atomic(path, lambda p: p.write_text(text, encoding="utf-8"))
