"""The entries of an MT940 file by a compiled kernel: runs of `:61:` and `:86:` lines to columns.

What stands around a run (balances, numbers, envelopes) is left to `scan_mt940`, which gets
the file with the first line of each run in the run's place. A line that is not plain leaves
the whole file to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from paysvc.core.columns import BOOKED, Bool, EntryColumns, Int64, TextColumn, UInt8
from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS, SPAN_LENGTH, digit, is_not_provided, text_column
from paysvc.core.words import KEEP, RUNS_HERE, word

_U = np.uint64
_ENTRY_TAG, _DETAILS_TAG = (_U(int.from_bytes(tag, "little")) for tag in (b":61:", b":86:"))
_EREF, _RSN, _TXT, _REMI = (_U(int.from_bytes(tag, "little")) for tag in (b"EREF/", b"/RSN/", b"/TXT/", b"/REMI/"))
_NONREF = _U(int.from_bytes(b"NONREF", "little"))
_LINE_END, _RETURN, _SPACE, _SLASH, _COMMA, _COLON, _TILDE = b"\n\r /,:~"
_ZERO, _NINE, _A, _Z, _C, _D, _R, _N, _S, _F, _MINUS, _BRACE, _DOLLAR = b"09AZCDRNSF-{$"

_LONGEST_TEXT = 35
_MOST_RUNS = 4_096
_NO_ENTRY_DAY = 9_999


class _Rows(NamedTuple):
    """A row per entry; texts as spans, days as yymmdd and mmdd (or none) in one number."""

    reference: Int64
    amount: Int64
    is_debit: Bool
    reason: Int64
    bank_reference: Int64
    days: Int64
    has_fraction: Bool


@dataclass(frozen=True, slots=True)
class ScannedLines:
    """The entries of all runs; `runs` rows are (first entry, end). `frame` has one line for each run."""

    rows: _Rows
    runs: list[tuple[int, int]]
    frame: bytes
    _data: UInt8

    def entries(
        self, begin: int, end: int, currency: str, day_text: Callable[[int, int | None], bytes]
    ) -> EntryColumns:
        """The entries `begin` to `end` as columns; `day_text` gives the ISO day of yymmdd and mmdd."""
        rows = _Rows._make(column[begin:end] for column in self.rows)
        days, codes = np.unique(rows.days, return_inverse=True)
        texts = [_day_text(int(day), day_text) for day in days.tolist()]
        count = end - begin
        return EntryColumns(
            reference=text_column(self._data, rows.reference),
            amount_vnd=rows.amount,
            currency=TextColumn.repeat(currency, count),
            is_debit=rows.is_debit,
            status=np.full(count, BOOKED, dtype=np.uint8),
            reason_code=text_column(self._data, rows.reason),
            bank_reference=text_column(self._data, rows.bank_reference),
            entry_number=np.arange(1, count + 1, dtype=np.int32),
            booking_date=TextColumn.of_bytes(texts).take(codes.astype(np.int64)),
        )

    def has_fraction(self, begin: int, end: int) -> bool:
        """Whether an amount of these entries has a fraction other than zero."""
        return bool(self.rows.has_fraction[begin:end].any())


def scan_lines(content: bytes) -> ScannedLines | None:
    """The entries of an MT940 file, or None where only the reference reader can tell."""
    if not RUNS_HERE or b"\0" in content:
        return None
    data = np.frombuffer(content, dtype=np.uint8)
    most = content.count(b":61:")
    kinds = {"is_debit": np.bool_, "has_fraction": np.bool_}
    rows = _Rows._make(np.empty(most, dtype=kinds.get(name, np.int64)) for name in _Rows._fields)
    runs = np.zeros((_MOST_RUNS, 4), dtype=np.int64)
    count = _scan(data, rows, runs)
    if count < 0:
        return None
    frame, kept_from = [], 0
    for _, first_end, end, _ in runs[:count].tolist():
        frame.append(content[kept_from:first_end])
        kept_from = end
    frame.append(content[kept_from:])
    ends = runs[:count, 3].tolist()
    return ScannedLines(rows, list(zip([0, *ends], ends, strict=False)), b"".join(frame), data)


def _day_text(days: int, day_text: Callable[[int, int | None], bytes]) -> bytes:
    value_day, entry_day = divmod(days, 10_000)
    return day_text(value_day, None if entry_day == _NO_ENTRY_DAY else entry_day)


@kernel
def _line_end(data: Any, at: Any) -> Any:
    """`(end of the line's text, start of the next line)`; next -1 for a carriage return by itself."""
    while at < len(data) and data[at] != _LINE_END and data[at] != _RETURN:
        at += 1
    if at >= len(data):
        return at, at
    if data[at] == _LINE_END:
        return at, at + 1
    if at + 1 < len(data) and data[at + 1] == _LINE_END:
        return at, at + 2
    return at, -1


@kernel
def _is_digit(byte: Any) -> Any:
    return _ZERO <= byte <= _NINE


@kernel
def _is_capital(byte: Any) -> Any:
    return _A <= byte <= _Z


@kernel
def _digits(data: Any, at: Any, count: Any, end: Any) -> Any:
    """The number in the `count` digits at `at`, or -1."""
    if at + count > end:
        return -1
    value = 0
    for step in range(count):
        if not _is_digit(data[at + step]):
            return -1
        value = value * 10 + digit(data[at + step])
    return value


@kernel
def _trimmed(data: Any, start: Any, end: Any) -> Any:
    while start < end and data[start] == _SPACE:
        start += 1
    while start < end and data[end - 1] == _SPACE:
        end -= 1
    return (start << SPAN_BITS) | (end - start)


@kernel
def _is_nothing(data: Any, span: Any) -> Any:
    """No text, NONREF or NOTPROVIDED."""
    length, at = span & SPAN_LENGTH, span >> SPAN_BITS
    if length == 6:
        return word(data, at) & KEEP[6] == _NONREF
    return length == 0 or is_not_provided(data, span)


@kernel
def _begins_with(data: Any, span: Any, prefix: Any) -> Any:
    length = prefix & SPAN_LENGTH
    if span & SPAN_LENGTH < length:
        return False
    one, other = span >> SPAN_BITS, prefix >> SPAN_BITS
    for step in range(length):
        if data[one + step] != data[other + step]:
            return False
    return True


@kernel
def _is_tag(data: Any, at: Any) -> Any:
    """Whether the line at `at`, which begins with a colon, begins a field."""
    if at + 3 >= len(data):
        return False
    first, second, third = data[at + 1], data[at + 2], data[at + 3]
    if _is_digit(first) and _is_digit(second):
        return third == _COLON or (_is_capital(third) and at + 4 < len(data) and data[at + 4] == _COLON)
    return _is_capital(first) and _is_capital(second) and third == _COLON


@kernel
def _entry(data: Any, at: Any, end: Any, rows: Any, row: Any) -> Any:
    """One `:61:` value; False where it is not plain."""
    value_day = _digits(data, at, 6, end)
    if value_day < 0 or data[end - 1] == _SPACE:
        return False
    at += 6
    entry_day = _digits(data, at, 4, end)
    if entry_day >= 0:
        at += 4
    else:
        entry_day = _NO_ENTRY_DAY
    is_reversal = at < end and data[at] == _R
    if is_reversal:
        at += 1
    if at >= end or (data[at] != _C and data[at] != _D):
        return False
    is_debit = (data[at] == _D) != is_reversal
    at += 1
    if at < end and _is_capital(data[at]):
        at += 1
    amount = digits = 0
    while at < end and _is_digit(data[at]):
        amount = amount * 10 + digit(data[at])
        at += 1
        digits += 1
        if digits > 15:
            return False
    if digits == 0 or at >= end or data[at] != _COMMA:
        return False
    at += 1
    has_fraction = False
    places = 0
    while at < end and _is_digit(data[at]):
        has_fraction |= data[at] != _ZERO
        at += 1
        places += 1
    if places > 2 or at + 4 > end or (data[at] != _N and data[at] != _S and data[at] != _F):
        return False
    for step in range(1, 4):
        if not (_is_capital(data[at + step]) or _is_digit(data[at + step])):
            return False
    at += 4
    ours_end = end
    for place in range(at, end):
        if data[place] < _SPACE or data[place] > _TILDE:
            return False
        if ours_end == end and data[place] == _SLASH and place + 1 < end and data[place + 1] == _SLASH:
            ours_end = place
    theirs = min(end, ours_end + 2)
    if ours_end - at > _LONGEST_TEXT or end - theirs > _LONGEST_TEXT:
        return False
    rows.reference[row] = _trimmed(data, at, ours_end)
    rows.bank_reference[row] = _trimmed(data, theirs, end)
    rows.amount[row] = amount
    rows.is_debit[row] = is_debit
    rows.reason[row] = 0
    rows.days[row] = value_day * 10_000 + entry_day
    rows.has_fraction[row] = has_fraction
    return True


@kernel
def _word_span(data: Any, at: Any, end: Any) -> Any:
    """The span of the printable characters from `at` to a space or slash, at most 35; 0 where there is none."""
    start = at
    while at < end and at - start < _LONGEST_TEXT and _SPACE < data[at] <= _TILDE and data[at] != _SLASH:
        at += 1
    return (start << SPAN_BITS) | (at - start) if at > start else 0


@kernel
def _details(data: Any, start: Any, end: Any, rows: Any, row: Any) -> Any:
    """One `:86:` line; True where its structured part ends in it, so that what follows says nothing."""
    free = end
    for at in range(start, end):
        if data[at] != _SLASH:
            continue
        found = word(data, at)
        if (found & KEEP[5] == _TXT and at + 5 <= end) or (found & KEEP[6] == _REMI and at + 6 <= end):
            free = at
            break
    named = reason = 0
    for at in range(start, free):
        # What stands at the value's start needs no slash before it.
        if (at == start or data[at - 1] == _SLASH) and named == 0 and word(data, at) & KEEP[5] == _EREF:
            named = _word_span(data, at + 5, free)
        if data[at] == _SLASH and reason == 0 and word(data, at) & KEEP[5] == _RSN:
            reason = _word_span(data, at + 5, free)
    rows.reason[row] = reason
    ours = rows.reference[row]
    if _is_nothing(data, ours) or _begins_with(data, named, ours):
        nothing = _is_nothing(data, named or ours)
        rows.reference[row] = 0 if nothing else named
    return free < end


@kernel
def _scan(data: Any, rows: Any, runs: Any) -> Any:
    """Fill the rows; returns the number of runs, each (start, end of its first line, end, entries so far), or -1."""
    at = 0
    row = run = 0
    in_run = has_details = may_go_on = False
    while at < len(data):
        end, after = _line_end(data, at)
        if after < 0:
            return -1
        tag = word(data, at) & KEEP[4]
        if tag == _ENTRY_TAG:
            if row >= len(rows.amount) or not _entry(data, at + 4, end, rows, row):
                return -1
            if row > 0 and in_run and not has_details:
                _without_details(data, rows, row - 1)
            if not in_run:
                if run >= len(runs):
                    return -1
                runs[run, 0], runs[run, 1] = at, after
                in_run = True
            row += 1
            has_details, may_go_on = False, True
        elif tag == _DETAILS_TAG and in_run:
            if has_details:
                return -1
            may_go_on = _details(data, at + 4, end, rows, row - 1)
            has_details = True
        elif in_run:
            first = data[at]
            if first == _MINUS or first == _BRACE or first == _DOLLAR:
                return -1
            if first == _COLON:
                if not _is_tag(data, at):
                    return -1
                if not has_details:
                    _without_details(data, rows, row - 1)
                runs[run, 2], runs[run, 3] = at, row
                run += 1
                in_run = False
            elif not may_go_on and end > at:
                return -1
        at = after
    if in_run:
        return -1
    return run


@kernel
def _without_details(data: Any, rows: Any, row: Any) -> None:
    if _is_nothing(data, rows.reference[row]):
        rows.reference[row] = 0
