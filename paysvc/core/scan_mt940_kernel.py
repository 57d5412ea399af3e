"""The lines of an MT940 file, judged byte by byte: entries and what is said of them to spans and numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS, SPAN_LENGTH, digit, is_not_provided
from paysvc.core.text_column import Bool, Int64
from paysvc.core.words import KEEP, next_of, word

_U = np.uint64
_ENTRY_TAG, _DETAILS_TAG = (_U(int.from_bytes(tag, "little")) for tag in (b":61:", b":86:"))
_EREF, _RSN, _TXT, _REMI = (_U(int.from_bytes(tag, "little")) for tag in (b"EREF/", b"/RSN/", b"/TXT/", b"/REMI/"))
_NONREF = _U(int.from_bytes(b"NONREF", "little"))
_LINE_END, _RETURN, _SPACE, _SLASH, _COMMA, _COLON, _TILDE = b"\n\r /,:~"
_ZERO, _NINE, _A, _Z, _C, _D, _R, _N, _S, _F, _MINUS, _BRACE, _DOLLAR = b"09AZCDRNSF-{$"

_LONGEST_TEXT = 35

#: Stands for the month and day of booking where an entry names none.
NO_ENTRY_DAY = 9_999

#: Stands for the end of a run that goes on in the next part.
OPEN = -1


class Rows(NamedTuple):
    """A row per entry; texts as spans, days as yymmdd and mmdd (or none) in one number."""

    reference: Int64
    amount: Int64
    is_debit: Bool
    reason: Int64
    bank_reference: Int64
    days: Int64
    has_fraction: Bool


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
        entry_day = NO_ENTRY_DAY
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
def scan_part(data: Any, begin: Any, finish: Any, inside: Any, rows: Any, runs: Any) -> Any:
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
        runs[run, 2], runs[run, 3] = OPEN, row
        run += 1
    return run, row


@kernel
def _without_details(data: Any, rows: Any, row: Any) -> None:
    if _is_nothing(data, rows.reference[row]):
        rows.reference[row] = 0
