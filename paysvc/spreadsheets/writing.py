"""Exports: CSV and XLSX that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

import xlsxwriter

from paysvc.spreadsheets.sheet import Dialect, neutralise

#: A cell of an export; numbers stay numbers and are never taken for formulas.
Cell = str | int


def write_csv(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, separator: str = ",", encoding: str = "utf-8-sig"
) -> bytes:
    """A CSV file (RFC 4180, CRLF), every text neutralised; with a BOM, so that Excel sees UTF-8."""
    binary = io.BytesIO()
    write_csv_into(binary, header, rows, separator=separator, encoding=encoding)
    return binary.getvalue()


def write_csv_into(
    binary: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, separator: str = ",", encoding: str
) -> None:
    """`write_csv`, row by row into an open file."""
    text = io.TextIOWrapper(binary, encoding=encoding, newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(map(neutralise, header))
    writer.writerows([neutralise(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    text.flush()
    # The file stays its owner's, and open.
    text.detach()


def write_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, sheet_name: str = "Danh sách") -> bytes:
    """A workbook of one sheet: texts in text cells, neutralised; the same rows give the same bytes."""
    binary = io.BytesIO()
    workbook = xlsxwriter.Workbook(binary, {"constant_memory": True})
    # Excel's own day zero of an undated file: the clock is not asked.
    workbook.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - the format knows no offset
    sheet = workbook.add_worksheet(sheet_name)
    as_text = workbook.add_format({"num_format": "@"})
    heading = workbook.add_format({"num_format": "@", "bold": True})
    sheet.set_column(0, max(len(header) - 1, 0), 18, as_text)
    for column, name in enumerate(header):
        sheet.write_string(0, column, neutralise(name), heading)
    sheet.freeze_panes(1, 0)
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, neutralise(cell), as_text)
            else:
                sheet.write_number(number, column, cell)
    workbook.close()
    return binary.getvalue()


def write_sheet(dialect: Dialect, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """The rows in the way a list was written that came in; UTF-8 gets a BOM."""
    if dialect.format == "xlsx":
        return write_xlsx(header, rows)
    # Without a mark of their own these would be guessed, and Excel guesses wrong.
    encoding = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(
        dialect.encoding, dialect.encoding
    )
    return write_csv(header, rows, separator=dialect.separator, encoding=encoding)
