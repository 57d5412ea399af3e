"""The entries of an MT940 file by a compiled kernel: runs of `:61:` and `:86:` lines to columns.

What stands around a run (balances, numbers, envelopes) is left to `scan_mt940`, which gets
the file with the first line of each run in the run's place. A line that is not plain leaves
the whole file to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from paysvc.core.columns import BOOKED, Bool, EntryColumns, Int64, TextColumn, UInt8, number_groups
from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS, SPAN_LENGTH, digit, is_not_provided, picked_texts, text_column
from paysvc.core.words import KEEP, RUNS_HERE, next_of, word

_U = np.uint64
_ENTRY_TAG, _DETAILS_TAG = (_U(int.from_bytes(tag, "little")) for tag in (b":61:", b":86:"))
_EREF, _RSN, _TXT, _REMI = (_U(int.from_bytes(tag, "little")) for tag in (b"EREF/", b"/RSN/", b"/TXT/", b"/REMI/"))
_NONREF = _U(int.from_bytes(b"NONREF", "little"))
_LINE_END, _RETURN, _SPACE, _SLASH, _COMMA, _COLON, _TILDE = b"\n\r /,:~"
_ZERO, _NINE, _A, _Z, _C, _D, _R, _N, _S, _F, _MINUS, _BRACE, _DOLLAR = b"09AZCDRNSF-{$"

_LONGEST_TEXT = 35
_MOST_RUNS = 4_096
_NO_ENTRY_DAY = 9_999

#: One thread's work at a time (bytes).
PART_BYTES = 1 << 23
#: `:61:` with a day, a side, an amount and a kind.
_SHORTEST_ENTRY = 18
#: Stands for the end of a run that goes on in the next part.
_OPEN = -1


class _Rows(NamedTuple):
    """A row per entry; texts as spans, days as yymmdd and mmdd (or none) in one number."""

    reference: Int64
    amount: Int64
    is_debit: Bool
    reason: Int64
    bank_reference: Int64
    days: Int64
    has_fraction: Bool


_KINDS = {"is_debit": np.bool_, "has_fraction": np.bool_}


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
        count = end - begin
        days, codes = number_groups(rows.days)
        texts = [_day_text(day, day_text) for day in days.tolist()]
        return EntryColumns(
            reference=text_column(self._data, rows.reference),
            amount_vnd=rows.amount,
            currency=TextColumn.repeat(currency, count),
            is_debit=rows.is_debit,
            status=np.full(count, BOOKED, dtype=np.uint8),
            reason_code=text_column(self._data, rows.reason),
            bank_reference=text_column(self._data, rows.bank_reference),
            entry_number=np.arange(1, count + 1, dtype=np.int32),
            booking_date=picked_texts(TextColumn.of_bytes(texts), codes),
        )

    def has_fraction(self, begin: int, end: int) -> bool:
        """Whether an amount of these entries has a fraction other than zero."""
        return bool(self.rows.has_fraction[begin:end].any())


def scan_lines(content: bytes, *, part_bytes: int = PART_BYTES) -> ScannedLines | None:
    """The entries of an MT940 file, or None where only the reference reader can tell."""
    if not RUNS_HERE or b"\0" in content:
        return None
    data = np.frombuffer(content, dtype=np.uint8)
    cuts = _cuts(content, part_bytes)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(cuts) - 1)) as pool:
        parts = list(pool.map(lambda cut: _part(data, *cut), pairwise(cuts)))
    found: list[_Part] = []
    for part, (begin, end) in zip(parts, pairwise(cuts), strict=True):
        if part is None:
            return None
        if found and not found[-1].is_open:
            # The cut lay before the first entry of a run: that part is read again, as what it is.
            again = _part(data, begin, end, inside=False)
            if again is None:
                return None
            found.append(again)
        else:
            found.append(part)
    return _joined(content, data, found)


class _Part(NamedTuple):
    """The rows of a part of the file and its runs (first line's start and end, end, rows so far)."""

    rows: _Rows
    runs: list[list[int]]
    entries: int

    @property
    def is_open(self) -> bool:
        """Whether the last run goes on in the next part."""
        return bool(self.runs) and self.runs[-1][2] == _OPEN


def _cuts(content: bytes, part_bytes: int) -> list[int]:
    """Where parts begin: with an entry's line."""
    cuts = [0]
    while (found := content.find(b"\n:61:", cuts[-1] + part_bytes)) >= 0:
        cuts.append(found + 1)
    return [*cuts, len(content)]


def _part(data: UInt8, begin: int, end: int, *, inside: bool | None = None) -> _Part | None:
    most = (end - begin) // _SHORTEST_ENTRY + 1
    rows = _Rows._make(np.empty(most, dtype=_KINDS.get(name, np.int64)) for name in _Rows._fields)
    runs = np.zeros((_MOST_RUNS, 4), dtype=np.int64)
    is_inside = begin > 0 if inside is None else inside
    count, written = _scan(data, begin, end, is_inside, rows, runs)
    if count < 0:
        return None
    return _Part(_Rows._make(column[:written] for column in rows), runs[:count].tolist(), written)


def _joined(content: bytes, data: UInt8, parts: list[_Part]) -> ScannedLines:
    """The parts' rows as one, runs that were cut put together, and the file without them."""
    frame: list[bytes] = []
    runs: list[tuple[int, int]] = []
    kept_from = before = run_begin = 0
    is_open = False
    for part in parts:
        for _, first_end, end, row in part.runs:
            if not is_open:
                frame.append(content[kept_from:first_end])
                run_begin = runs[-1][1] if runs else 0
            is_open = end == _OPEN
            if not is_open:
                kept_from = end
                runs.append((run_begin, before + row))
        before += part.entries
    frame.append(content[kept_from:])
    rows = _Rows._make(np.concatenate(columns) for columns in zip(*(part.rows for part in parts), strict=True))
    return ScannedLines(rows, runs, b"".join(frame), data)


def _day_text(days: int, day_text: Callable[[int, int | None], bytes]) -> bytes:
    value_day, entry_day = divmod(days, 10_000)
    return day_text(value_day, None if entry_day == _NO_ENTRY_DAY else entry_day)


@kernel
def _line_end(data: Any, at: Any) -> Any:
    """`(end of the line's text, start of the next line)`; next -1 for a carriage return by itself."""
    end = next_of(data, at, len(data), _LINE_END)
    after = min(end + 1, len(data))
    text_end = next_of(data, at, end, _RETURN)
    if text_end < end:
        return text_end, after if text_end == end - 1 and end < len(data) else -1
    return end, after


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
    at = next_of(data, start, end, _SLASH)
    while at < end:
        found = word(data, at)
        if (found & KEEP[5] == _TXT and at + 5 <= end) or (found & KEEP[6] == _REMI and at + 6 <= end):
            free = at
            break
        at = next_of(data, at + 1, end, _SLASH)
    named = reason = 0
    # What stands at the value's start needs no slash before it.
    if start < free and word(data, start) & KEEP[5] == _EREF:
        named = _word_span(data, start + 5, free)
    at = next_of(data, start, free, _SLASH)
    while at < free:
        if named == 0 and at + 1 < free and word(data, at + 1) & KEEP[5] == _EREF:
            named = _word_span(data, at + 6, free)
        if reason == 0 and word(data, at) & KEEP[5] == _RSN:
            reason = _word_span(data, at + 5, free)
        at = next_of(data, at + 1, free, _SLASH)
    rows.reason[row] = reason
    ours = rows.reference[row]
    if _is_nothing(data, ours) or _begins_with(data, named, ours):
        nothing = _is_nothing(data, named or ours)
        rows.reference[row] = 0 if nothing else named
    return free < end


@kernel
def _scan(data: Any, begin: Any, finish: Any, inside: Any, rows: Any, runs: Any) -> Any:
    """Fill the rows from the lines of `data[begin:finish]`; `(number of runs, of rows)`, or -1 runs.

    A run is (start, end of its first line, end, entries so far). With `inside` the first line is
    an entry that goes on a run; a run that is open at the end of all but the last part is the
    last one of its part, without an end.
    """
    at = begin
    row = run = 0
    in_run = has_details = may_go_on = False
    if inside:
        in_run = has_details = True
        runs[0, 0] = runs[0, 1] = begin
    while at < finish:
        end, after = _line_end(data, at)
        if after < 0:
            return -1, row
        tag = word(data, at) & KEEP[4]
        if tag == _ENTRY_TAG:
            if row >= len(rows.amount) or not _entry(data, at + 4, end, rows, row):
                return -1, row
            if row > 0 and in_run and not has_details:
                _without_details(data, rows, row - 1)
            if not in_run:
                if run >= len(runs):
                    return -1, row
                runs[run, 0], runs[run, 1] = at, after
                in_run = True
            row += 1
            has_details, may_go_on = False, True
        elif tag == _DETAILS_TAG and in_run:
            if has_details:
                return -1, row
            may_go_on = _details(data, at + 4, end, rows, row - 1)
            has_details = True
        elif in_run:
            first = data[at]
            if first == _MINUS or first == _BRACE or first == _DOLLAR:
                return -1, row
            if first == _COLON:
                if not _is_tag(data, at):
                    return -1, row
                if not has_details:
                    _without_details(data, rows, row - 1)
                runs[run, 2], runs[run, 3] = at, row
                run += 1
                in_run = False
            elif not may_go_on and end > at:
                return -1, row
        at = after
    if in_run:
        if finish == len(data):
            return -1, row
        if not has_details:
            _without_details(data, rows, row - 1)
        runs[run, 2], runs[run, 3] = _OPEN, row
        run += 1
    return run, row


@kernel
def _without_details(data: Any, rows: Any, row: Any) -> None:
    if _is_nothing(data, rows.reference[row]):
        rows.reference[row] = 0
