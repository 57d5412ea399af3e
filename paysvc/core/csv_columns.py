"""Comma-separated files as columns: the bytes that the `csv` module writes, without a row of objects.

Where no field needs quotes, which is every list of ours, separators alone part the bytes.
Everything else is left to the `csv` module.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from paysvc.core.row_writer import write_rows
from paysvc.core.text_column import Int64, TextColumn
from paysvc.domain.report_lines import csv_bytes

_COMMA, _END = 0x2C, 0x0A
_SPECIAL = (b",", b'"', b"\r", b"\n")

#: Digits whose number surely fits 63 bits.
_SAFE_DIGITS = 18


def write_csv(header: Sequence[str], columns: Sequence[TextColumn]) -> bytes:
    """UTF-8 with line feeds as ends; equal columns (two or more, equally long) give equal bytes everywhere."""
    if any(mark in data for data in (column.data.tobytes() for column in columns) for mark in _SPECIAL):
        return csv_bytes(header, zip(*(column.to_list() for column in columns), strict=True))
    pieces: list[bytes | TextColumn] = [piece for column in columns for piece in (column, b",")]
    pieces[-1] = b"\n"
    return csv_bytes(header, ()) + write_rows(pieces, len(columns[0])).tobytes()


def read_csv(content: bytes, header: Sequence[str]) -> list[TextColumn]:
    """The columns below `header` (two or more names). Raises ValueError for anything else."""
    content.decode()
    first = csv_bytes(header, ())
    if not content.startswith(first):
        raise ValueError("the file does not start with its header")
    body = content[len(first) :]
    if b'"' in body or b"\r" in body or not body.endswith(b"\n"):
        return _by_rows(body.decode(), len(header))
    return split_fields(body, len(header), _COMMA)


def split_fields(rows: bytes, width: int, separator: int) -> list[TextColumn]:
    """The columns of rows that end with a line feed and have `width` (two or more) fields each.

    `separator` is the byte between fields; nothing is quoted. Raises ValueError when a row has
    another number of fields.
    """
    data = np.frombuffer(rows, dtype=np.uint8)
    marks = np.flatnonzero((data == separator) | (data == _END))
    ends = marks[: len(marks) // width * width].reshape(-1, width)
    if len(marks) % width or (data[ends[:, -1]] != _END).any() or (data[ends[:, :-1]] != separator).any():
        raise ValueError("a row has another number of fields than the header")
    starts = np.concatenate([np.zeros(1, np.int64), marks[:-1] + 1])[: ends.size].reshape(ends.shape)
    return [TextColumn.cut(data, starts[:, at], ends[:, at] - starts[:, at]) for at in range(width)]


def numbers_text(values: Int64) -> TextColumn:
    """Whole numbers in decimal."""
    # Amounts repeat: a few hundred different ones stand for any number of people.
    different, codes = np.unique(values, return_inverse=True)
    return TextColumn.of(list(map(str, different.tolist()))).take(codes)


def text_numbers(column: TextColumn) -> Int64:
    """Decimal whole numbers. Raises ValueError for what is not one, or not of 64 bits."""
    found, lengths = np.zeros(len(column), np.int64), column.lengths
    for width in np.unique(lengths).tolist():
        if not 1 <= width <= _SAFE_DIGITS:
            return _one_by_one(column)
        rows = np.flatnonzero(lengths == width)
        digits = column.take(rows).data.reshape(-1, width) - np.uint8(ord("0"))
        if (digits > 9).any():
            return _one_by_one(column)
        found[rows] = digits.astype(np.int64) @ 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return found


def _one_by_one(column: TextColumn) -> Int64:
    try:
        return np.array([int(value) for value in column.to_list()], np.int64)
    except OverflowError:
        raise ValueError("a number is beyond 64 bits") from None


def _by_rows(text: str, width: int) -> list[TextColumn]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as failure:
        raise ValueError("the file is not well-formed") from failure
    if any(len(row) != width for row in rows):
        raise ValueError("a row has another number of fields than the header")
    return [TextColumn.of([row[at] for row in rows]) for at in range(width)]
