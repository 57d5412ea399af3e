"""XLSX in: the one visible sheet that holds a list, its cells as text with their kind kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from paysvc.domain.errors import FileRefused
from paysvc.domain.registry_fields import NumberCell
from paysvc.spreadsheets.package_guard import refuse_dangerous_package
from paysvc.spreadsheets.sheet import BLOCK_ROWS, HEADER_WITHIN, Dialect, IsHeader, Sheet, find_header, unescape


def open_workbook(content: bytes, is_header: IsHeader | None) -> Sheet:
    refuse_dangerous_package(content)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        visible = [
            one.name
            for one in workbook.sheets_metadata
            if one.visible is SheetVisibleEnum.Visible and one.typ is SheetTypeEnum.WorkSheet
        ]
        sheets = [workbook.get_sheet_by_name(name) for name in visible]
    except CalamineError as failure:
        raise FileRefused("workbook_broken", "The workbook cannot be read: it is damaged.") from failure
    filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise FileRefused("empty", "The workbook has no visible sheet with cells in it.")
    sheet = _choose(filled, is_header)
    number, header = find_header(_numbered(sheet), is_header)

    def blocks() -> Iterator[tuple[int, list[list[str]]]]:
        rows = islice(sheet.iter_rows(), number, None)
        first = number + 1
        while part := [list(map(_cell_text, row)) for row in islice(rows, BLOCK_ROWS)]:
            yield first, part
            first += len(part)

    return Sheet(Dialect("xlsx"), header, number, sheet.total_height - number, blocks, _merged_rows(sheet, number))


def _merged_rows(sheet: CalamineSheet, header_row: int) -> frozenset[int]:
    """Numbers of the rows below the header that touch a merged area."""
    rows: set[int] = set()
    reached = header_row
    # Sorted, so that areas over one another are counted once, however many there are.
    for (top, _), (bottom, _) in sorted(sheet.merged_cell_ranges or ()):
        last = min(bottom + 1, sheet.total_height)
        rows.update(range(max(top + 1, reached + 1), last + 1))
        reached = max(reached, last)
    return frozenset(rows)


def _choose(filled: list[CalamineSheet], is_header: IsHeader | None) -> CalamineSheet:
    """The sheet with the list; other visible sheets may explain, but not hold a second list."""
    if is_header is None:
        return filled[0]
    lists = [sheet for sheet in filled if any(is_header(row) for _, row in islice(_numbered(sheet), HEADER_WITHIN))]
    if len(lists) > 1:
        raise FileRefused(
            "several_lists",
            f"{len(lists)} sheets of the workbook hold a list.",
            next_step="Save each list as a file of its own, so that none is overlooked.",
        )
    return lists[0] if lists else filled[0]


def _numbered(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    return ((number, list(map(_cell_text, row))) for number, row in enumerate(sheet.iter_rows(), 1))


def _cell_text(cell: Any) -> str:
    if type(cell) is str:
        return unescape(cell) if cell.startswith("'") else cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, int):
        return NumberCell(cell)
    if isinstance(cell, float):
        # Excel itself keeps 15 digits; what is larger shows as a power of ten there too.
        return NumberCell(int(cell)) if cell.is_integer() and abs(cell) < 10**15 else NumberCell(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == datetime.min.time() else cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
