"""Records that are marked up like one before them: recognised whole, without reading their tags.

A bank writes its entries by a program, so that one differs from the next in its texts and
hardly ever in its markup. The walk keeps the markup of a record that it has judged tag by
tag, as the stretches between its texts; a record whose stretches are the same bytes is built
in the same way, and only its texts are left to be judged. Any other record is walked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS
from paysvc.core.words import has_stride, is_repeated
from paysvc.core.xml_lexis import ENTITY, FOREIGN, LONGEST_TEXT, SPACE, WHITE, may_be_white, text_end

#: How many patterns are kept, of records and of parts, and how many texts one has at most.
_KEPT = 8
MOST_TEXTS = 120

#: Of patterns of records and of parts, in the arrays below.
OF_RECORDS, OF_PARTS = 0, 1


class Patterns(NamedTuple):
    """`kept[kind, pattern]` rows are (place, length, slot) of a stretch of markup and of the text
    after it: slot −1 is not wanted, those from `len(records)` on are the part's.

    The last stretch has no text after it; `sizes[kind, pattern]` are (stretches, parts).
    `records[pattern]` and `parts[kind, pattern]` are the rows of spans that the texts are
    written over. `state[kind]` is (patterns learned, pattern used last, times learned). `seen`
    are the texts of the record that is being walked: (start, end, slot).
    """

    kept: NDArray[np.int64]
    sizes: NDArray[np.int64]
    records: NDArray[np.int64]
    parts: NDArray[np.int64]
    state: NDArray[np.int64]
    seen: NDArray[np.int64]


def no_patterns(record_slots: int, part_slots: int) -> Patterns:
    """Nothing learned yet, for rows of so many slots."""
    return Patterns(
        kept=np.zeros((2, _KEPT, MOST_TEXTS + 1, 3), dtype=np.int64),
        sizes=np.zeros((2, _KEPT, 2), dtype=np.int64),
        records=np.zeros((_KEPT, record_slots), dtype=np.int64),
        parts=np.zeros((2, _KEPT, part_slots), dtype=np.int64),
        state=np.zeros((2, 3), dtype=np.int64),
        seen=np.zeros((MOST_TEXTS, 3), dtype=np.int64),
    )


@kernel
def kept_text(data: Any, start: Any, end: Any, contains: Any) -> Any:
    """The span of a text without the white space around it, or -1 where it is not plain."""
    if contains & ENTITY:
        return -1
    while start < end and data[start] <= SPACE:
        start += 1
    while start < end and data[end - 1] <= SPACE:
        end -= 1
    if end - start > LONGEST_TEXT:
        return -1
    if contains & FOREIGN and start < end:
        last = end - 1
        while last > start and data[last] & 0xC0 == 0x80:
            last -= 1
        # What white space beyond ASCII is, and is to be taken off, the parser knows.
        if may_be_white(data, start) or may_be_white(data, last):
            return -1
    if contains & WHITE:
        for at in range(start, end):
            if data[at] < SPACE:
                return -1
    return (start << SPAN_BITS) | (end - start)


@kernel
def matched(data: Any, start: Any, end: Any, kind: Any, patterns: Any, rows: Any) -> Any:
    """Past the record or part at `start` where it is marked up like one before, else -1.

    Its spans are then in `rows`, the record's and the part's (a part leaves the record's as it
    is), and `patterns.state[kind, 1]` is the pattern.
    """
    record, part = rows
    state, kept, sizes = patterns.state, patterns.kept, patterns.sizes
    learned = state[kind, 0]
    pattern = state[kind, 1]
    record_slots, part_slots = len(record), len(part)
    for _ in range(learned):
        at = start
        stretches = sizes[kind, pattern, 0]
        last = stretches - 1
        if kind == OF_RECORDS:
            for slot in range(record_slots):
                record[slot] = patterns.records[pattern, slot]
        if sizes[kind, pattern, 1]:
            for slot in range(part_slots):
                part[slot] = patterns.parts[kind, pattern, slot]
        for stretch in range(stretches):
            length = kept[kind, pattern, stretch, 1]
            if not has_stride(data, at + length) or not is_repeated(data, kept[kind, pattern, stretch, 0], at, length):
                break
            at += length
            if stretch == last:
                if at > end:
                    return -1
                state[kind, 1] = pattern
                return at
            text = at
            at, contains = text_end(data, at, end)
            if at < 0 or at >= end:
                return -1
            slot = kept[kind, pattern, stretch, 2]
            if slot >= 0:
                span = kept_text(data, text, at, contains)
                if span < 0:
                    return -1
                if slot < record_slots:
                    record[slot] = span
                else:
                    part[slot - record_slots] = span
        pattern = pattern + 1 if pattern + 1 < learned else 0
    return -1


@kernel
def learn(start: Any, end: Any, kind: Any, count: Any, patterns: Any, rows: Any, parts: Any) -> Any:
    """Keep how the record or part `[start, end)` is marked up around its texts, `seen[:count]`.

    `rows` are its spans, the record's and the part's, `parts` how many parts it has, 0 or 1.
    """
    record, part = rows
    state, kept, seen = patterns.state, patterns.kept, patterns.seen
    pattern = state[kind, 2] % _KEPT
    state[kind, 2] += 1
    state[kind, 0] = min(state[kind, 2], _KEPT)
    state[kind, 1] = pattern
    at = start
    for text in range(count):
        kept[kind, pattern, text, 0], kept[kind, pattern, text, 1] = at, seen[text, 0] - at
        kept[kind, pattern, text, 2] = seen[text, 2]
        at = seen[text, 1]
    kept[kind, pattern, count, 0], kept[kind, pattern, count, 1] = at, end - at
    patterns.sizes[kind, pattern, 0], patterns.sizes[kind, pattern, 1] = count + 1, parts
    if kind == OF_RECORDS:
        for slot in range(len(record)):
            patterns.records[pattern, slot] = record[slot]
    for slot in range(len(part)):
        patterns.parts[kind, pattern, slot] = part[slot]
