"""What a list is once its bytes are read: a header, and rows of text cells with their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from paysvc.domain.errors import FileRefused

MAX_FILE_BYTES = 512 << 20
MAX_ROWS = 5_000_000
MAX_COLUMNS = 200

#: How far down a header may stand; titles and the name of the office come first.
HEADER_WITHIN = 30
#: Few enough to stay in the processor's cache while they are looked at.
BLOCK_ROWS = 4_000

#: A cell that starts so is taken for a formula by spreadsheets, East Asian widths included.
FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
_FORMULA = re.compile(f"'*[{re.escape(FORMULA_STARTS)}]")
_ESCAPED = re.compile(f"'+[{re.escape(FORMULA_STARTS)}]")

IsHeader = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a list is written: as `csv` (separator, encoding) or `xlsx`."""

    format: str
    separator: str = ","
    encoding: str = "utf-8-sig"


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows in order: `numbers` as a person sees them, `rows` as wide as the header.

    `surplus` holds the numbers of rows with more filled cells than the header has, `merged`
    those that touch a merged area.
    """

    numbers: Sequence[int]
    rows: list[list[str]]
    surplus: frozenset[int] = frozenset()
    merged: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list that can be read: its header, and its rows as often as wanted.

    `expected_rows` is an estimate for progress.
    """

    dialect: Dialect
    header: tuple[str, ...]
    header_row: int
    expected_rows: int
    _blocks: Callable[[], Iterator[tuple[int, list[list[str]]]]]
    _merged: frozenset[int] = frozenset()

    def blocks(self) -> Iterator[Block]:
        """The rows below the header without the blank ones. Raises `FileRefused` when it
        comes to a place where the file breaks off or its quoting does."""
        width = len(self.header)
        count = 0
        for first, rows in self._blocks():
            block = _block(first, rows, width, self._merged)
            count += len(block.rows)
            if count > MAX_ROWS:
                raise FileRefused("too_many_rows", f"The file has more than {MAX_ROWS:,} rows.")
            if block.rows:
                yield block
        if count == 0:
            raise FileRefused("no_rows", "The file has a header and no rows.", place=f"row {self.header_row}")


def _block(first: int, rows: list[list[str]], width: int, merged: frozenset[int]) -> Block:
    numbers: Sequence[int] = range(first, first + len(rows))
    if not merged and set(map(len, rows)) == {width} and all(map(str.strip, map(itemgetter(0), rows))):
        return Block(numbers, rows)  # as nearly every block is
    blank = [i for i, row in enumerate(rows) if (not row or not row[0].strip()) and not "".join(row).strip()]
    if blank:
        left_out = set(blank)
        numbers = [number for i, number in enumerate(numbers) if i not in left_out]
        rows = [row for i, row in enumerate(rows) if i not in left_out]
    surplus = set()
    if set(map(len, rows)) - {width}:
        for i, row in enumerate(rows):
            if len(row) > width and any(cell.strip() for cell in row[width:]):
                surplus.add(numbers[i])
            if len(row) != width:
                rows[i] = (row + [""] * width)[:width]
    return Block(numbers, rows, frozenset(surplus), merged.intersection(numbers) if merged else merged)


def find_header(rows: Iterable[tuple[int, Sequence[str]]], is_header: IsHeader | None) -> tuple[int, tuple[str, ...]]:
    """Number and cells of the header among the first rows; the first filled row when none is one."""
    filled = [(number, row) for number, row in islice(rows, HEADER_WITHIN) if any(cell.strip() for cell in row)]
    if not filled:
        raise FileRefused("empty", "The first rows of the file are empty.")
    number, row = next((one for one in filled if is_header is not None and is_header(one[1])), filled[0])
    cells = list(row)
    while cells and not cells[-1].strip():
        cells.pop()
    if len(cells) > MAX_COLUMNS:
        raise FileRefused("too_many_columns", f"The file has more than {MAX_COLUMNS} columns.", place=f"row {number}")
    return number, tuple(cells)


def neutralise(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would take it for a formula.

    `unescape` takes exactly this apostrophe away again.
    """
    return "'" + text if _FORMULA.match(text) else text


def unescape(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
