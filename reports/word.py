"""Word documents: the table alone, and the paragraphs with figure, table and the works cited."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.reports.escape import printable
from crysmm_attn_plugin.reports.language import figure_stem, fonts, pick
from crysmm_attn_plugin.reports.prose import paragraphs as prose
from crysmm_attn_plugin.reports.prose.facts import Style
from crysmm_attn_plugin.reports.prose.markup import pieces
from crysmm_attn_plugin.reports.prose.paragraphs import TITLES
from crysmm_attn_plugin.reports.prose.references import REFERENCES, cited_in
from crysmm_attn_plugin.reports.tables import Table
from crysmm_attn_plugin.stats.results import ComparisonResult
from crysmm_attn_plugin.store.files import write_atomic

_TABLE_POINTS, _TEXT_POINTS = 8.0, 11.0
#: Room for text on an A4 page with margins of 25 mm, points.
_PAGE_WIDTH = 453.0
#: Symbols with something above or below the line.
_RAISED = {"e^H": ("e", "H"), "g_z": ("g", "z"), "d_av": ("d", "av"), "w_(i)": ("w", "(i)")}
_SCRIPTS = re.compile("(" + "|".join(map(re.escape, _RAISED)) + ")")
_FIGURE = "attention_statistics_comparison"


def write_table(table: Table, path: Path, langs: Sequence[str]) -> Path:
    """``table.docx``: one three-line table per language.

    Args:
        table: The main table.
        path: File.
        langs: Languages.
    """
    document = _document(langs)
    for lang in langs:
        _add_table(document, table, lang)
    return write_atomic(path, lambda p: document.save(str(p)))


def write_paragraphs(
    result: ComparisonResult, table: Table, path: Path, langs: Sequence[str], *, style: Style, pictures: Path
) -> Path:
    """``paragraphs.docx``: headings, text with italic symbols, the main figure over its caption, the table, the works cited.

    Args:
        result: The comparison.
        table: The main table.
        path: File.
        langs: Languages, one after the other.
        style: ``nature``, ``apa`` or ``gbt``.
        pictures: Folder that holds the main figure as PNG, when it was drawn.
    """
    document = _document(langs)
    for i, lang in enumerate(langs):
        if i:
            document.add_page_break()
        texts = []
        for level, title, text in prose.blocks(result, lang=lang, style=style):
            texts.append(text)
            caption = title == pick(TITLES["caption"], lang)
            if caption:
                _add_figure(document, pictures, lang)
            else:
                _heading(document, title, level - 1)
            if text:
                _add_text(
                    document,
                    text,
                    points=9.5 if caption else _TEXT_POINTS,
                    justify=not caption and not fonts(lang).han,
                )
        _add_table(document, table, lang)
        cited = cited_in(" ".join(texts))
        if cited:
            _heading(document, pick(TITLES["references"], lang), 1)
            for number, key in enumerate(cited, 1):
                entry = document.add_paragraph(f"{number}. {REFERENCES[key].full}")
                entry.paragraph_format.left_indent = _points(18)
                entry.paragraph_format.first_line_indent = _points(-18)
    return write_atomic(path, lambda p: document.save(str(p)))


def _document(langs: Sequence[str]) -> Any:
    from docx import Document
    from docx.oxml.ns import qn

    latin, han = fonts(langs[0]).latin, next((f.han for f in map(fonts, langs) if f.han), "")
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = _points(595.3), _points(841.9)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = _points(71)
    for name in ("Normal", "Heading 1", "Heading 2"):
        font = document.styles[name].font
        font.name = latin
        used = document.styles[name].element.get_or_add_rPr().get_or_add_rFonts()
        for attribute in ("w:ascii", "w:hAnsi", "w:cs"):
            used.set(qn(attribute), latin)
        for attribute in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            used.attrib.pop(qn(attribute), None)
        used.set(qn("w:eastAsia"), han)
        font.size = _points({"Normal": _TEXT_POINTS, "Heading 1": 14, "Heading 2": 12}[name])
        if name != "Normal":
            from docx.shared import RGBColor

            font.color.rgb = RGBColor(0, 0, 0)
    return document


def _points(value: float) -> Any:
    from docx.shared import Pt

    return Pt(value)


def _heading(document: Any, text: str, level: int) -> None:
    document.add_heading(printable(text), max(level, 1))


def _add_text(document: Any, text: str, *, points: float, justify: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    paragraph = document.add_paragraph()
    runs: list[tuple[str, bool]] = []

    def literal(part: str) -> str:
        runs.append((part, False))
        return ""

    def symbol(part: str) -> str:
        runs.append((part, True))
        return ""

    pieces(text, literal, symbol)
    for part, italic in runs:
        for piece in _SCRIPTS.split(printable(part)):
            base, script = _RAISED.get(piece, (piece, ""))
            run = paragraph.add_run(base)
            run.italic = italic or bool(script)
            run.font.size = _points(points)
            if script:
                small = paragraph.add_run(script)
                small.italic, small.font.size = True, _points(points)
                small.font.superscript, small.font.subscript = piece == "e^H", piece != "e^H" or None
    if justify:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
    paragraph.paragraph_format.space_after = _points(8)
    paragraph.paragraph_format.line_spacing = 1.15


def _add_figure(document: Any, pictures: Path, lang: str) -> None:
    own = pictures / "figures" / f"{figure_stem(_FIGURE, lang)}.png"
    found = [p for p in (own, pictures / f"{_FIGURE}.png") if p.is_file()]
    if not found:
        return
    document.add_picture(str(found[0]), width=_points(_PAGE_WIDTH - 2))
    document.paragraphs[-1].paragraph_format.keep_with_next = True
    document.paragraphs[-1].paragraph_format.space_before = _points(8)


def _add_table(document: Any, table: Table, lang: str) -> None:
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    heads, rows = table.columns[lang], table.rows[lang]
    title = document.add_paragraph()
    title.add_run(printable(table.title[lang])).bold = True
    title.paragraph_format.keep_with_next = True
    title.paragraph_format.space_before = _points(12)
    grid = document.add_table(rows=1 + len(rows), cols=len(heads))
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    _narrow_margins(grid)
    widths = column_widths([heads, *(r for i, r in enumerate(rows) if i not in table.group_rows)])
    for column, width in zip(grid.columns, widths):
        column.width = _points(width)
    for i, cells in enumerate([heads, *rows]):
        group = i - 1 in table.group_rows
        row = grid.rows[i]
        _keep_whole(row)
        if group:
            row.cells[0].merge(row.cells[-1])
        for j, (cell, text) in enumerate(zip(row.cells, cells)):
            if group and j:
                break
            cell.width = _points(sum(widths) if group else widths[j])
            paragraph = cell.paragraphs[0]
            # figures keep together; only names may wrap, between words
            run = paragraph.add_run(printable(text) if j == 0 else printable(text).replace(" ", "\u00a0"))
            run.font.size = _points(_TABLE_POINTS)
            run.italic = group
            paragraph.paragraph_format.space_before = _points(1.5)
            paragraph.paragraph_format.space_after = _points(1.5)
            paragraph.paragraph_format.keep_with_next = i < len(rows)
            if j:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _three_lines(grid)
    note = document.add_paragraph()
    note.add_run(printable(table.note[lang])).font.size = _points(_TABLE_POINTS)
    note.paragraph_format.space_before = _points(3)


def column_widths(rows: Sequence[Sequence[str]]) -> list[float]:
    """Widths by content, points: every column but the first holds its longest cell on one line.

    Args:
        rows: Heads and cells, without rows that span the table.
    """
    columns = list(zip(*rows))
    padding = 9.0
    wanted = [max(text_width(c) for c in column) + padding for column in columns]
    rest = sum(wanted[1:])
    # the first column wraps between words where the page is full, and is never narrower than its longest word
    longest_word = max(text_width(word) for cell in columns[0] for word in cell.split() or [""]) + padding
    wanted[0] = min(wanted[0], max(_PAGE_WIDTH - rest, longest_word, 70.0))
    return [math.ceil(w) for w in wanted]


def text_width(text: str) -> float:
    """Width of a text in the table's size, points, in the widest face that a reader's machine may put in (DejaVu Serif)."""
    em = 0.0
    for c in text:
        if unicodedata.east_asian_width(c) in ("W", "F"):
            em += 1.0
        elif c in "mMwW%@−":
            em += 0.95
        elif c in "iljt.,;:|'()[] I\u00a0":
            em += 0.4
        elif c.isupper():
            em += 0.76
        else:
            em += 0.65
    return em * _TABLE_POINTS


def _narrow_margins(grid: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        edge = OxmlElement(f"w:{side}")
        edge.set(qn("w:w"), "70")  # twentieths of a point
        edge.set(qn("w:type"), "dxa")
        margins.append(edge)
    grid._tbl.tblPr.append(margins)


def _keep_whole(row: Any) -> None:
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _three_lines(grid: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    last = len(grid.rows) - 1
    for i, row in enumerate(grid.rows):
        edges: Mapping[str, int] = {
            "top": 12 if i == 0 else 0,
            "bottom": 12 if i == last else 6 if i == 0 else 0,
        }
        seen = set()
        for cell in row.cells:
            if cell._tc in seen:
                continue
            seen.add(cell._tc)
            borders = OxmlElement("w:tcBorders")
            for edge, size in edges.items():
                if size:
                    line = OxmlElement(f"w:{edge}")
                    line.set(qn("w:val"), "single")
                    line.set(qn("w:sz"), str(size))
                    borders.append(line)
            cell._tc.get_or_add_tcPr().append(borders)
