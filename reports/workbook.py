"""``table.xlsx``: the table, every test and every crystal as typed cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.reports.escape import printable
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.machine_tables import SIGNIFICANCE, significance_rows
from crysmm_attn_plugin.reports.tables import Table
from crysmm_attn_plugin.stats.results import ComparisonResult
from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

_SHEET = ("Table", "表")
#: Most rows of a sheet, the format's limit.
_MOST_ROWS = 1_048_575


def write_workbook(
    result: ComparisonResult, table: Table, samples: pd.DataFrame, path: Path, langs: Sequence[str]
) -> Path:
    """Write the workbook.

    Args:
        result: The comparison.
        table: The main table; one sheet a language.
        samples: One row per crystal.
        path: File.
        langs: Languages.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for lang in langs:
        _table_sheet(book, table, lang)
    _sheet(book, "Tests", SIGNIFICANCE, significance_rows(result))
    _sheet(
        book, "Crystals", list(map(str, samples.columns)), samples.head(_MOST_ROWS).itertuples(index=False)
    )
    return write_atomic(path, lambda p: book.save(str(p)))


def _sheet_name(book: Any, lang: str) -> str:
    """A name of its own among the sheets: two languages may have one word for it."""
    name = pick(_SHEET, lang)
    return name if name not in book.sheetnames else f"{name} {lang}"


def _table_sheet(book: Any, table: Table, lang: str) -> None:
    from openpyxl.styles import Border, Font, Side

    sheet = book.create_sheet(_sheet_name(book, lang))
    heads = table.plain_columns[lang]
    thick, thin = Side(style="medium"), Side(style="thin")
    _put_row(sheet, 1, heads)
    for column in range(1, len(heads) + 1):
        sheet.cell(1, column).font = Font(bold=True)
        sheet.cell(1, column).border = Border(top=thick, bottom=thin)
    for i, cells in enumerate(table.rows[lang]):
        values, row = table.values[i], i + 2
        _put(sheet, row, 1, cells[0])
        if i in table.group_rows:
            sheet.cell(row, 1).font = Font(italic=True)
            continue
        for j, value in enumerate(values):
            cell = _put(sheet, row, j + 2, value)
            if value is None or not math.isfinite(value):
                continue
            if j < 5:
                decimals = table.decimals[i]
                cell.number_format = "0." + "0" * decimals if decimals else "0"
            else:
                cell.number_format = "0.0" if j == 5 else "0.000"
    last = len(table.rows[lang]) + 1
    for column in range(1, len(heads) + 1):
        old = sheet.cell(last, column).border
        sheet.cell(last, column).border = Border(top=old.top, bottom=thick)
    _put(sheet, last + 1, 1, table.note[lang])
    sheet.freeze_panes = "B2"
    _widths(sheet, len(heads), last)


def _sheet(book: Any, name: str, heads: Sequence[str], rows: Any) -> None:
    from openpyxl.styles import Font

    sheet = book.create_sheet(name)
    _put_row(sheet, 1, heads)
    for column in range(1, len(heads) + 1):
        sheet.cell(1, column).font = Font(bold=True)
    count = 1
    for count, values in enumerate(rows, 2):
        _put_row(sheet, count, values)
    sheet.freeze_panes = "B2"
    if count > 1:
        sheet.auto_filter.ref = sheet.dimensions
    _widths(sheet, len(heads), min(count, 60))


def _put_row(sheet: Any, row: int, values: Any) -> None:
    for column, value in enumerate(values, 1):
        _put(sheet, row, column, value)


def _put(sheet: Any, row: int, column: int, value: Any) -> Any:
    """A number as number, a truth value as truth value, everything else as text that is never run."""
    cell = sheet.cell(row, column)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return cell
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, (bool, int, float)):
        if isinstance(value, bool) or math.isfinite(value):
            cell.value = value
        return cell
    cell.value = printable(value)[:32_767]
    cell.data_type = "s"
    if cell.value[:1] in tuple("=+-@"):
        cell.quotePrefix = True
    return cell


def _widths(sheet: Any, columns: int, rows: int) -> None:
    from openpyxl.utils import get_column_letter

    for column in range(1, columns + 1):
        texts = [str(sheet.cell(row, column).value or "") for row in range(1, rows + 1)]
        wide = max(sum(2 if ord(c) > 0x2E7F else 1 for c in t) for t in texts)
        numbers = isinstance(sheet.cell(min(2, rows), column).value, float)
        sheet.column_dimensions[get_column_letter(column)].width = (
            min(max(min(wide, 12) if numbers else wide, 8), 48) + 2
        )
