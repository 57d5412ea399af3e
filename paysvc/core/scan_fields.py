"""Lines of equally built fields by compiled kernels: parted by a byte, or each in its place.

How a line is built is said by a table (`line_fields`); this module knows no dialect. A field
is kept as a number or as a span. A line that is not as the table says leaves the whole file
to the caller's reference reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.line_fields import BYTES, CAPITALS, CODE, NUMBER, WORD, Field
from paysvc.core.spans import SPAN_BITS, number_at
from paysvc.core.text_column import Int64, UInt8, frozen
from paysvc.core.words import KEEP, RUNS_HERE, SPACES, is_blank, next_of, printable, word

_RETURN, _LINE_END, _SPACE, _A, _Z = b"\r\n AZ"
_LINE_END_LENGTH = 2

#: A row per field, a column per line: what is kept of each field of all lines stands together.
Values = Int64


def scan_delimited(
    data: UInt8, begin: int, end: int, *, mark: int, separator: int, fields: Sequence[Field]
) -> Values | None:
    """The fields of the lines in `data[begin:end]`, int64 of shape (fields, lines), or None.

    A line is `mark`, the fields each behind a `separator`, and CR LF. Nothing is quoted.
    """
    if not RUNS_HERE or not 0 <= begin <= end <= len(data):
        return None
    shortest = 1 + len(fields) + sum(field.least for field in fields) + _LINE_END_LENGTH
    values = np.empty((len(fields), (end - begin) // shortest), dtype=np.int64)
    count = _delimited(data, begin, end, mark, separator, _table(fields), values)
    return values[:, :count] if count >= 0 else None


def scan_records(data: UInt8, begin: int, end: int, *, mark: int, width: int, fields: Sequence[Field]) -> Values | None:
    """The fields of the records in `data[begin:end]`, int64 of shape (fields, records), or None.

    A record is `mark`, the fields without anything between them, spaces up to `width`, and CR LF.
    """
    count, rest = divmod(end - begin, width + _LINE_END_LENGTH)
    if not RUNS_HERE or rest or not 0 <= begin <= end <= len(data):
        return None
    if 1 + sum(field.most for field in fields) > width:
        raise ValueError("the fields are wider than the record")
    values = np.empty((len(fields), count), dtype=np.int64)
    return values if _records(data, begin, mark, width, _table(fields), values) else None


def _table(fields: Sequence[Field]) -> Int64:
    return frozen(np.array(fields, dtype=np.int64))


@kernel
def _are_capitals(data: Any, at: Any, length: Any) -> Any:
    for place in range(at, at + length):
        if not _A <= data[place] <= _Z:
            return False
    return True


@kernel
def _is_in_line(data: Any, at: Any, length: Any) -> Any:
    """Whether the bytes hold no end of a line."""
    end = at + length
    return next_of(data, at, end, _RETURN) == end and next_of(data, at, end, _LINE_END) == end


@kernel
def _value(data: Any, at: Any, length: Any, field: Any) -> Any:
    """What is kept of a field's bytes, or -1 where they are none of its kind."""
    kind, least, most = field[0], field[1], field[2]
    if length < least or length > most:
        return np.int64(-1)
    span = (at << SPAN_BITS) | length
    if kind == NUMBER:
        return number_at(data, span)
    if kind == CAPITALS:
        return span if _are_capitals(data, at, length) else np.int64(-1)
    if kind == BYTES:
        return span if _is_in_line(data, at, length) else np.int64(-1)
    if not printable(data, at, length, kind != WORD):
        return np.int64(-1)
    return np.int64(word(data, at) & KEEP[length]) if kind == CODE else span


@kernel
def _delimited(data: Any, begin: Any, finish: Any, mark: Any, separator: Any, fields: Any, values: Any) -> Any:
    """Fill `values` from the lines; how many there are, or -1."""
    at = begin
    row = 0
    last = len(fields) - 1
    while at < finish:
        if row >= values.shape[1] or data[at] != mark:
            return -1
        at += 1
        for step in range(len(fields)):
            if at >= finish or data[at] != separator:
                return -1
            at += 1
            end = next_of(data, at, finish, _RETURN if step == last else separator)
            if step == last and next_of(data, at, end, separator) < end:
                return -1
            value = _value(data, at, end - at, fields[step])
            if value < 0:
                return -1
            values[step, row] = value
            at = end
        if at + 1 >= finish or data[at] != _RETURN or data[at + 1] != _LINE_END:
            return -1
        at += 2
        row += 1
    return row


@kernel
def _used(data: Any, at: Any, width: Any) -> Any:
    """The length of a text without the spaces that fill its field."""
    while width >= 8 and word(data, at + width - 8) == SPACES:
        width -= 8
    while width > 0 and data[at + width - 1] == _SPACE:
        width -= 1
    return width


@kernel
def _records(data: Any, begin: Any, mark: Any, width: Any, fields: Any, values: Any) -> Any:
    """Fill `values` from the records, which are all inside `data`; False where one is not as the table says."""
    at = begin
    for row in range(values.shape[1]):
        end = at + width
        if data[at] != mark or data[end] != _RETURN or data[end + 1] != _LINE_END:
            return False
        at += 1
        for step in range(len(fields)):
            kind, most = fields[step, 0], fields[step, 2]
            length = most if kind == NUMBER or kind == CODE else _used(data, at, most)
            value = _value(data, at, length, fields[step])
            if value < 0:
                return False
            values[step, row] = value
            at += most
        if not is_blank(data, at, end - at):
            return False
        at = end + _LINE_END_LENGTH
    return True
