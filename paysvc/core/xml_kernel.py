"""The checked walk over a message's bytes: every tag paired, every byte judged, spans noted.

It accepts a part of XML that it is sure about and says REFUSED to all the rest, legal or not:
comments, CDATA, processing instructions, entities other than the five of XML, more than one
attribute, prefixes other than the root's, anything long or deep. What it accepts, a full
parser accepts, and reads the same from. `scan_records` leaves what was refused to one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paysvc.core.compiled import kernel
from paysvc.core.spans import SPAN_BITS
from paysvc.core.xml_lexis import (
    GREATER,
    SLASH,
    attributes_end,
    closes_at,
    name_at,
    past_white,
    text_end,
)
from paysvc.core.xml_paths import CONTAINER, DOCUMENT, REFUSE, SKIP, Kind, Repeat
from paysvc.core.xml_patterns import MOST_TEXTS, OF_PARTS, OF_RECORDS, Patterns, kept_text, learn, matched

#: What may not be longer (bytes), more, or deeper.
LONGEST_RECORD = 1 << 20
_MOST_HEADERS = 500
DEEPEST = 60

#: Events in the walk, each with a place in the bytes and the number of records before it.
OPENED, RUN_STARTED, RUN_ENDED, CLOSED = range(4)

_NODE_RECORD, _NODE_PART, _LEAF = int(Kind.RECORD), int(Kind.PART), int(Kind.LEAF)
_COUNT = int(Repeat.COUNT)


class Space(NamedTuple):
    """Where the walk writes: a row per record and per part, a column per slot (spans; 0: absent).

    `first_part[record]` is the number of parts before it. `events` rows are (event, place,
    records before). `counts` come back as records, parts, events. The `open_*` are the open
    elements, `DEEPEST` and one more. `patterns` are those of this walk.
    """

    records: NDArray[np.int64]
    parts: NDArray[np.int64]
    first_part: NDArray[np.int64]
    events: NDArray[np.int64]
    counts: NDArray[np.int64]
    open_names: NDArray[np.int64]
    open_starts: NDArray[np.int64]
    open_states: NDArray[np.int64]
    patterns: Patterns


@kernel
def _note(rows: Any, row: Any, slot: Any, span: Any, repeat: Any) -> Any:
    """Write a span to its slot; False where it was there and may be there once only."""
    before = rows[row, slot]
    if repeat == _COUNT:
        rows[row, slot] = before + 1
    elif before == 0:
        rows[row, slot] = span
    else:
        return False
    return True


@kernel
def _note_in(rows_of: Any, in_part: Any, slot: Any, span: Any, repeat: Any) -> Any:
    records, record_count, parts, part_count = rows_of
    if in_part:
        return _note(parts, part_count, slot, span, repeat)
    return _note(records, record_count, slot, span, repeat)


@kernel
def _happened(events: Any, count: Any, kind: Any, place: Any, records: Any) -> Any:
    events[count, 0], events[count, 1], events[count, 2] = kind, place, records
    return count + 1


@kernel
def walk(
    data: Any, start: Any, end: Any, inside: Any, is_last: Any, prefix: Any, names: Any, tables: Any, space: Any
) -> Any:
    """Walk `data[start:end]`; returns -1, or the place where it is not understood.

    `start` is the root's `<`, or, `inside` a container, the `<` of a record that is not its
    first; `end` is such a place, or the end of the data (`is_last`). `prefix` are the bytes
    before every name (`ns:`, or none), `names` the numbers of the root, body and container.
    """
    records, parts, first_part, events = space.records, space.parts, space.first_part, space.events
    child, kinds, slots = tables.child, tables.kind, tables.slot
    currency_slots, repeats, in_parts = tables.currency_slot, tables.repeat, tables.in_part
    words, lengths, places, factors = tables.words, tables.lengths, tables.places, tables.factors
    open_names, open_starts, open_states = space.open_names, space.open_starts, space.open_states
    depth = -1
    record_count = part_count = event_count = 0
    in_record = run_open = had_run = False
    headers = 0
    record_start = run_end = part_start = start
    # What is being learned (a record, or a part of a batch), whether all its texts were noted, how many.
    learning, is_whole, text_count = OF_RECORDS, False, 0
    was_opened = False
    patterns, texts, learned = space.patterns, space.patterns.seen, space.patterns.state
    learned[:, :] = 0
    record_slots = records.shape[1]
    if inside:
        depth = 2
        for level in range(3):
            open_names[level], open_states[level] = names[level], DOCUMENT + level
        run_open = had_run = True
    at = start
    while True:
        text_start = at
        at, contains = text_end(data, at, end)
        if at < 0 or at - text_start > LONGEST_RECORD:
            return text_start
        if at >= end:
            break
        tag = at
        if run_open and depth == 2 and record_count < len(records) and part_count < len(parts):
            first_part[record_count] = part_count
            rows = (records[record_count], parts[part_count])
            at = matched(data, tag, end, OF_RECORDS, patterns, rows)
            if at >= 0:
                if at - tag > LONGEST_RECORD:
                    return tag
                part_count += patterns.sizes[OF_RECORDS, learned[OF_RECORDS, 1], 1]
                record_count += 1
                run_end = at
                was_opened = False
                continue
        at = tag + 1
        if at >= end:
            return tag
        is_end = data[at] == SLASH
        if is_end:
            at += 1
        for step in range(len(prefix)):
            if at >= end or data[at] != prefix[step]:
                return tag
            at += 1
        closes = is_end
        state = SKIP
        if is_end:
            if depth < 0:
                return tag
            at = closes_at(data, at, open_names[depth], open_starts[depth], words, lengths)
            if at < 0:
                return tag
            at = past_white(data, at, end)
            if at >= end or data[at] != GREATER:
                return tag
            at += 1
            state = open_states[depth]
            depth -= 1
            if was_opened and in_record:
                if text_count < MOST_TEXTS:
                    slot = -1 if kinds[state] != _LEAF or repeats[state] == _COUNT else slots[state]
                    texts[text_count, 0], texts[text_count, 1] = text_start, tag
                    texts[text_count, 2] = slot + record_slots if slot >= 0 and in_parts[state] else slot
                    text_count += 1
                else:
                    is_whole = False
            if kinds[state] == _LEAF:
                span = kept_text(data, text_start, tag, contains)
                if span < 0:
                    return tag
                rows_of = (records, record_count, parts, part_count)
                if not _note_in(rows_of, in_parts[state], slots[state], span, repeats[state]):
                    return tag
        else:
            number, length = name_at(data, at, words, places, factors)
            if length == 0 or depth >= DEEPEST:
                return tag
            name_start = at
            at += length
            if at >= end:
                return tag
            parent = open_states[depth] if depth >= 0 else SKIP
            if depth < 0:
                if inside or number != names[0] or tag != start:
                    return tag
                state = DOCUMENT
            else:
                state = child[parent, number]
                if state == REFUSE:
                    return tag
            kind = kinds[state]
            if kind == _NODE_PART and part_count > first_part[record_count] and part_count < len(parts):
                # Single parts belong to the record's own pattern; these are those of a batch.
                past = matched(data, tag, end, OF_PARTS, patterns, (records[record_count], parts[part_count]))
                if past >= 0:
                    at = past
                    part_count += 1
                    was_opened = False
                    continue
            currency = 0
            if data[at] != GREATER:
                is_header = not in_record and state <= DOCUMENT
                at, currency = attributes_end(data, at, end, is_header)
                if at < 0:
                    return tag
            closes = data[at] == SLASH
            if closes:
                at += 1
                if at >= end or data[at] != GREATER:
                    return tag
            at += 1
            if kind == _NODE_RECORD:
                if not run_open:
                    if had_run or event_count >= len(events):
                        return tag
                    event_count = _happened(events, event_count, RUN_STARTED, tag, record_count)
                    run_open = had_run = True
                if record_count >= len(records):
                    return tag
                records[record_count, :] = 0
                first_part[record_count] = part_count
                in_record = True
                record_start = tag
                learning, is_whole, text_count = OF_RECORDS, True, 0
            elif parent == CONTAINER and not in_record:
                headers += 1
                if headers > _MOST_HEADERS:
                    return tag
                if run_open:
                    if event_count >= len(events):
                        return tag
                    event_count = _happened(events, event_count, RUN_ENDED, run_end, record_count)
                    run_open = False
            elif state == CONTAINER:
                if event_count >= len(events):
                    return tag
                event_count = _happened(events, event_count, OPENED, tag, record_count)
                run_open = had_run = False
                headers = 0
            elif kind == _NODE_PART:
                if part_count >= len(parts):
                    return tag
                parts[part_count, :] = 0
                part_start = tag
                if part_count > first_part[record_count]:
                    learning, is_whole, text_count = OF_PARTS, True, 0
            slot = slots[state]
            if slot >= 0:
                rows_of = (records, record_count, parts, part_count)
                here = at << SPAN_BITS
                if (kind != _LEAF or closes) and not _note_in(rows_of, in_parts[state], slot, here, repeats[state]):
                    return tag
                if currency and currency_slots[state] >= 0:
                    _note_in(rows_of, in_parts[state], currency_slots[state], currency, 0)
            if not closes:
                depth += 1
                open_names[depth] = number if number > 0 else -length
                open_starts[depth] = name_start
                open_states[depth] = state
        was_opened = not closes
        if closes:
            kind = kinds[state]
            if kind == _NODE_PART:
                part_count += 1
                if learning == OF_PARTS and is_whole:
                    rows = (records[record_count], parts[part_count - 1])
                    learn(part_start, at, OF_PARTS, text_count, patterns, rows, 1)
            elif kind == _NODE_RECORD:
                if at - record_start > LONGEST_RECORD:
                    return tag
                own_parts = part_count - first_part[record_count]
                if learning == OF_RECORDS and is_whole and part_count < len(parts):
                    rows = (records[record_count], parts[part_count - own_parts])
                    learn(record_start, at, OF_RECORDS, text_count, patterns, rows, own_parts)
                record_count += 1
                in_record = False
                run_end = at
            elif state == CONTAINER:
                if event_count + 1 >= len(events):
                    return tag
                if run_open:
                    event_count = _happened(events, event_count, RUN_ENDED, run_end, record_count)
                    run_open = False
                event_count = _happened(events, event_count, CLOSED, at, record_count)
    if at != end or (depth != -1 if is_last else depth != 2 or open_states[2] != CONTAINER or not run_open):
        return end
    space.counts[0], space.counts[1], space.counts[2] = record_count, part_count, event_count
    return -1
