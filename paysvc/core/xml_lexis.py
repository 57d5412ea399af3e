"""What stands in XML between one `<` and the next: names, attributes, texts, each judged to the byte.

Functions say where something ends, or -1 (a name: length 0) where it is not understood.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS
from paysvc.core.words import (
    KEEP,
    STRIDE,
    first_marked,
    has_stride,
    lowest,
    name_ends,
    same_bytes,
    stops_in_stride,
    text_stops,
    word,
)

_U = np.uint64

#: A text that is kept, a name or an attribute is not longer (bytes).
LONGEST_TEXT = 1_000

#: What a text contains beyond printable ASCII.
WHITE, FOREIGN, ENTITY = 1, 2, 4

SLASH, GREATER, SPACE = 47, 62, 32
_TAB, _LINE, _RETURN = 9, 10, 13
_QUOTE, _AND, _APOSTROPHE, _COLON = 34, 38, 39, 58
_LESS, _EQUAL, _BRACKET = 60, 61, 93

_NAME_START = np.zeros(256, dtype=np.bool_)
_NAME_START[[*range(65, 91), *range(97, 123), 95]] = True
_NAME_REST = _NAME_START.copy()
_NAME_REST[[*range(48, 58), 45, 46]] = True


@kernel
def is_white(byte: Any) -> Any:
    return byte == SPACE or byte == _LINE or byte == _TAB or byte == _RETURN


@kernel
def may_be_white(data: Any, at: Any) -> Any:
    """Whether the character at `at`, in legal UTF-8, may be white space beyond ASCII: U+0085, U+00A0,
    U+1680, U+3000, or anything from U+2000 to U+207F."""
    first = data[at]
    if first < 0xC2 or first > 0xE3:
        return False
    second = data[at + 1]
    if first == 0xC2:
        return second == 0x85 or second == 0xA0
    if first == 0xE1:
        return second == 0x9A
    return (first == 0xE2 and second <= 0x81) or (first == 0xE3 and second == 0x80)


@kernel
def entity_end(data: Any, at: Any) -> Any:
    """Past one of XML's own five entities at `at`, or -1."""
    found = word(data, at)
    if found & KEEP[4] == _U(0x3B746C26) or found & KEEP[4] == _U(0x3B746726):  # &lt; &gt;
        return at + 4
    if found & KEEP[5] == _U(0x3B706D6126):  # &amp;
        return at + 5
    if found & KEEP[6] == _U(0x3B746F757126) or found & KEEP[6] == _U(0x3B736F706126):  # &quot; &apos;
        return at + 6
    return -1


@kernel
def utf8_length(data: Any, at: Any) -> Any:
    """How many bytes the non-ASCII character at `at` has; 0 when it is none that XML allows (RFC 3629)."""
    left = len(data) - at
    first = data[at]
    if 0xC2 <= first <= 0xDF:
        return 2 if left >= 2 and data[at + 1] & 0xC0 == 0x80 else 0
    if left < 3 or data[at + 1] & 0xC0 != 0x80 or data[at + 2] & 0xC0 != 0x80:
        return 0
    second = data[at + 1]
    if 0xE0 <= first <= 0xEF:
        overlong = first == 0xE0 and second < 0xA0
        surrogate = first == 0xED and second > 0x9F
        no_character = first == 0xEF and second == 0xBF and data[at + 2] >= 0xBE
        return 0 if overlong or surrogate or no_character else 3
    if not 0xF0 <= first <= 0xF4 or left < 4 or data[at + 3] & 0xC0 != 0x80:
        return 0
    overlong, too_high = first == 0xF0 and second < 0x90, first == 0xF4 and second > 0x8F
    return 0 if overlong or too_high else 4


@kernel
def text_end(data: Any, start: Any, end: Any) -> Any:
    """`(place of the next <, or end; what the text contains)`; place -1 for what is no text."""
    at = start
    contains = 0
    while at < end:
        if has_stride(data, at):
            marks = stops_in_stride(data, at)
            if marks == _U(0):
                at += STRIDE
                continue
            at += lowest(marks)
        else:
            marks = text_stops(word(data, at))
            if marks == _U(0):
                at += 8
                continue
            at += first_marked(marks)
        if at >= end:
            break
        byte = data[at]
        if byte == _LESS:
            return at, contains
        if is_white(byte):
            contains |= WHITE
            at += 1
        elif byte >= 0x80:
            contains |= FOREIGN
            length = utf8_length(data, at)
            if length == 0:
                return -1, contains
            at += length
        elif byte == _AND:
            contains |= ENTITY
            at = entity_end(data, at)
            if at < 0:
                return -1, contains
        elif byte == _BRACKET:
            if word(data, at) & KEEP[3] == _U(0x3E5D5D):  # ]]> is not allowed in text
                return -1, contains
            at += 1
        else:
            return -1, contains
    return end, contains


@kernel
def name_at(data: Any, at: Any, words: Any, places: Any, factors: Any) -> Any:
    """`(number of the name, its length)`; length 0 where no name stands."""
    loaded = word(data, at)
    second = third = _U(0)
    marks = name_ends(loaded)
    if marks != _U(0):
        length = first_marked(marks)
        first = loaded & KEEP[length]
    else:
        first = loaded
        loaded = word(data, at + 8)
        marks = name_ends(loaded)
        if marks != _U(0):
            length = 8 + first_marked(marks)
            second = loaded & KEEP[length - 8]
        else:
            second = loaded
            loaded = word(data, at + 16)
            marks = name_ends(loaded)
            if marks == _U(0):
                return 0, _long_name(data, at)
            length = 16 + first_marked(marks)
            third = loaded & KEEP[length - 16]
    mixed = (first * factors[0]) ^ (second * factors[1]) ^ (third * factors[2])
    number = places[mixed >> _U(54)]
    if number == 0 or words[number, 0] != first or words[number, 1] != second or words[number, 2] != third:
        return 0, length if _is_name(data, at, length) else 0
    return number, length


@kernel
def _is_name(data: Any, at: Any, length: Any) -> Any:
    if length == 0 or not _NAME_START[data[at]]:
        return False
    for step in range(1, length):
        if not _NAME_REST[data[at + step]]:
            return False
    return True


@kernel
def _long_name(data: Any, at: Any) -> Any:
    if not _NAME_START[data[at]]:
        return 0
    length = 1
    while at + length < len(data) and length < LONGEST_TEXT and _NAME_REST[data[at + length]]:
        length += 1
    return length


@kernel
def past_white(data: Any, at: Any, end: Any) -> Any:
    while at < end and is_white(data[at]):
        at += 1
    return at


@kernel
def attributes_end(data: Any, start: Any, end: Any, is_header: Any) -> Any:
    """`(place of the tag's / or >, span of Ccy or 0)`; place -1 where the tag is not understood.

    Outside records a full parser looks at attributes again; here they are only passed.
    Inside, one is allowed.
    """
    at = start
    currency = 0
    seen = 0
    while True:
        after = past_white(data, at, end)
        if after >= end:
            return -1, currency
        if data[after] == SLASH or data[after] == GREATER:
            return after, currency
        if after == at:
            return -1, currency
        at = after
        name = at
        while at < end and (_NAME_REST[data[at]] or (is_header and data[at] == _COLON)):
            at += 1
        length = at - name
        seen += 1
        if length == 0 or not _NAME_START[data[name]] or at + 1 >= end or data[at] != _EQUAL:
            return -1, currency
        quote = data[at + 1]
        if quote != _QUOTE and quote != _APOSTROPHE:
            return -1, currency
        at += 2
        value = at
        while at < end and data[at] != quote:
            if data[at] == _LESS or (not is_header and (data[at] < SPACE or data[at] >= 0x7F or data[at] == _AND)):
                return -1, currency
            at += 1
        if at >= end or at - value > LONGEST_TEXT:
            return -1, currency
        if not is_header:
            loaded = word(data, name)
            if seen > 1 or loaded & KEEP[5] == _U(0x736E6C6D78):  # xmlns
                return -1, currency
            if length == 3 and loaded & KEEP[3] == _U(0x796343):  # Ccy
                currency = (value << SPAN_BITS) | (at - value)
        at += 1


@kernel
def closes_at(data: Any, at: Any, number: Any, start: Any, words: Any, lengths: Any) -> Any:
    """Past the name at `at` where it is the open element's, else -1.

    `number` is the open element's name, or minus its length where it is none of the tables',
    and `start` where it stands.
    """
    if number <= 0:
        return at - number if same_bytes(data, start, data, at, -number) else -1
    length = lengths[number]
    if (word(data, at) ^ words[number, 0]) & KEEP[min(length, 8)] != _U(0):
        return -1
    if length > 8 and (word(data, at + 8) ^ words[number, 1]) & KEEP[min(length - 8, 8)] != _U(0):
        return -1
    if length > 16 and (word(data, at + 16) ^ words[number, 2]) & KEEP[length - 16] != _U(0):
        return -1
    return at + length
