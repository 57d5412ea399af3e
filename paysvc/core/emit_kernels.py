"""What the writers of bank files compile: rows of XML out of columns, and looks at whole columns.

Texts are a `TextColumn`'s two arrays. Nothing is allocated here; arrays come from the caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.emit_rows import AMOUNT, LONGEST_ENTITY, MOST_DIGITS
from paysvc.core.words import KEEP, copy_bytes, first_marked, markup, put_word, same_bytes, word

_U = np.uint64
_AMPERSAND, _LESS, _SPACE, _TILDE, _ZERO = b"&< ~0"

_WRITTEN_AMPERSAND, _WRITTEN_LESS, _WRITTEN_GREATER = (
    _U(int.from_bytes(entity, "little")) for entity in (b"&amp;", b"&lt;", b"&gt;")
)


@kernel
def _put_fixed(into: Any, at: Any, fixed: Any, start: Any, end: Any) -> Any:
    copy_bytes(into, at, fixed, start, end - start)
    return at + end - start


@kernel
def _put_text(into: Any, at: Any, data: Any, start: Any, end: Any) -> Any:
    """The text as it stands between tags. What is stored behind the returned place is overwritten later."""
    while start < end:
        loaded = word(data, start)
        taken = min(8, end - start)
        put_word(into, at, loaded)
        marks = markup(loaded & KEEP[taken])
        if marks == _U(0):
            at += taken
            start += taken
            continue
        plain = first_marked(marks)
        at += plain
        start += plain + 1
        marked = data[start - 1]
        if marked == _AMPERSAND:
            put_word(into, at, _WRITTEN_AMPERSAND)
            at += LONGEST_ENTITY
        else:
            put_word(into, at, _WRITTEN_LESS if marked == _LESS else _WRITTEN_GREATER)
            at += LONGEST_ENTITY - 1
    return at


@kernel
def _put_number(into: Any, at: Any, number: Any) -> Any:
    """A whole number from 0 on: the place behind it, and the number that its digits make."""
    left, digits, power = _U(number), 1, _U(10)
    while digits < MOST_DIGITS and left >= power:
        digits += 1
        power *= _U(10)
    written, weight = _U(0), _U(1)
    for place in range(at + digits - 1, at - 1, -1):
        digit = left % _U(10)
        left //= _U(10)
        into[place] = digit + _U(_ZERO)
        written += digit * weight
        weight *= _U(10)
    return at + digits, np.int64(written)


@kernel
def put_rows(
    texts: Any,
    offsets: Any,
    amounts: Any,
    fixed: Any,
    cuts: Any,
    slots: Any,
    skips_empty: Any,
    first: Any,
    into: Any,
    enough: Any,
) -> Any:
    """Rows from `first` on, until `enough` bytes stand in `into` or there are no more rows.

    A row is its slots one behind the other and the last piece of `fixed`; slot s stands between
    the pieces 2s and 2s + 1 of `fixed` (piece p ends at `cuts[p + 1]`), and `slots[s]` says which
    of `texts` it is, or AMOUNT. Where `skips_empty[s]`, an empty text goes without its two pieces.
    `into` has room for `enough` bytes and a longest row. Returns the row behind the last, the
    number of bytes, and the sum of the amounts as their digits were written.
    """
    row, at, total = first, 0, 0
    while row < len(amounts) and at < enough:
        for slot in range(len(slots)):
            start = cuts[2 * slot]
            between, end = cuts[2 * slot + 1], cuts[2 * slot + 2]
            which = slots[slot]
            if which == AMOUNT:
                at = _put_fixed(into, at, fixed, start, between)
                at, written = _put_number(into, at, amounts[row])
                total += written
            else:
                places = offsets[which]
                text_start, text_end = places[row], places[row + 1]
                if text_start == text_end and skips_empty[slot]:
                    continue
                at = _put_fixed(into, at, fixed, start, between)
                at = _put_text(into, at, texts[which], text_start, text_end)
            at = _put_fixed(into, at, fixed, between, end)
        at = _put_fixed(into, at, fixed, cuts[2 * len(slots)], cuts[2 * len(slots) + 1])
        row += 1
    return row, at, total


@kernel
def holds_only(data: Any, offsets: Any, is_letter: Any, least: Any, most: Any) -> Any:
    """Whether every text has `least` to `most` bytes, all of them letters (`is_letter[byte]` is 1, or else 0)."""
    for row in range(len(offsets) - 1):
        if not least <= offsets[row + 1] - offsets[row] <= most:
            return False
    letters = 0
    for at in range(offsets[len(offsets) - 1]):
        letters += is_letter[data[at]]
    return letters == offsets[len(offsets) - 1]


@kernel
def _is_plain(data: Any, start: Any, end: Any) -> Any:
    """Whether a text is certainly composed, without control characters, and trimmed.

    It holds printable ASCII, letters of Latin-1, Latin Extended A and B and IPA (U+00A1 to U+02FF),
    of Latin Extended Additional (U+1E00 to U+1EFF, the Vietnamese ones) and the dashes and
    quotation marks from U+2010 to U+2027: none of them combines with what stands before it.
    """
    if start < end and (data[start] == _SPACE or data[end - 1] == _SPACE):
        return False
    at = start
    while at < end:
        first = data[at]
        if first < 0x80:
            if not _SPACE <= first <= _TILDE:
                return False
            at += 1
        elif first <= 0xCB:
            # Also the lone continuation bytes, which are below 0xC2.
            if first < 0xC2 or at + 1 >= end or data[at + 1] & 0xC0 != 0x80 or (first == 0xC2 and data[at + 1] < 0xA1):
                return False
            at += 2
        else:
            if at + 2 >= end or data[at + 2] & 0xC0 != 0x80:
                return False
            second = data[at + 1]
            is_latin = first == 0xE1 and 0xB8 <= second <= 0xBB
            if not is_latin and not (first == 0xE2 and second == 0x80 and 0x90 <= data[at + 2] <= 0xA7):
                return False
            at += 3
    return True


@kernel
def mark_unusual(data: Any, offsets: Any, least: Any, most: Any, is_unusual: Any) -> Any:
    """How many texts are not certainly plain, or of fewer than `least` or more than `most` bytes; each is marked."""
    found = before = 0
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        if row > 0 and start - before == end - start and same_bytes(data, before, data, start, end - start):
            # Often everybody gets the same text, which is then looked at once.
            is_unusual[row] = is_unusual[row - 1]
        else:
            is_unusual[row] = not least <= end - start <= most or not _is_plain(data, start, end)
        found += is_unusual[row]
        before = start
    return found
