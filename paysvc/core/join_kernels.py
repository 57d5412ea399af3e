"""Looking up a million references in a million keys: compiled, on two threads, whole keys compared.

Keys that a program numbered (`PS20261121-000000000001`, …) are found by their number, and
where each follows the one above it the number already is the row; all others by a table over
a hash that is seeded anew in every process, because banks choose references and must not be
able to choose collisions. The numbers and hashes only lead to a row; a row is given only where
its key has been compared, or where number and width leave no other text possible.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from paysvc.core.compiled import kernel
from paysvc.core.text_column import Int32, Int64, TextColumn, UInt8, frozen
from paysvc.core.words import KEEP, digits_value, fold, prefetch, same_bytes, word

_U = np.uint64
#: Chosen by each process for itself; odd, so that no factor is zero.
_SEEDS = frozen(np.frombuffer(os.urandom(24), dtype=np.uint64) | _U(1))

#: So many rows are worked on together, so that their waiting for memory overlaps.
BLOCK = 64
#: Rows for which a second thread is started.
_WORTH_A_THREAD = 30_000
_EMPTY, _ONE = _U(0), _U(1)
_ROW_BITS = _U(32)
_ROW = _U(0xFFFFFFFF)
#: A numbered key has at most so many digits (they fill two words) and lies in a range at most
#: so many times as wide as there are keys.
_MOST_DIGITS = 16
_WIDEST_RANGE = 4

_PADDING = _WORD = 8
_OF_A_WORD = 10**_WORD
#: Places of the table for every two keys, at the least.
_PLACES = 3

NOWHERE = -1
#: What filling the table came to.
_FILLED, _TWICE, _FULL = range(3)

_Number = TypeVar("_Number", bound=np.generic)


class HashTable(NamedTuple):
    """A place holds 0, or the upper half of a key's hash beside its row + 1.

    `width` is the length that all keys have, or 0.
    """

    texts: TextColumn
    width: int
    places: NDArray[np.uint64]


class Numbered(NamedTuple):
    """Keys of one width that differ in their last `digits` digits only; before those all are as
    `beginning`, of which the last `_PADDING` bytes are there only so that it can be read by words.

    The row of a number is `rows[number - first]`, or −1; without `rows` it is `number - first`
    itself, below `size`.
    """

    beginning: UInt8
    digits: int
    first: int
    size: int
    rows: Int32


def index(texts: TextColumn) -> Numbered | HashTable | None:
    """The keys prepared for `find`; None where one of them occurs twice."""
    return _numbered(texts) or _hashed(texts)


def find(table: Numbered | HashTable, references: TextColumn) -> Int64:
    """For each reference the row of its key, or −1; the empty reference is found nowhere."""
    found = np.empty(len(references), dtype=np.int64)
    data, offsets = letters(references)
    if isinstance(table, Numbered):
        form, first, size, rows = (table.beginning, table.digits), table.first, table.size, frozen(table.rows)
        in_halves(
            len(references),
            lambda begin, end: _find_numbers(data, offsets, begin, end, form, first, size, rows, found),
        )
    else:
        keys, places = (*letters(table.texts), table.width), frozen(table.places)
        in_halves(
            len(references),
            lambda begin, end: _find(data, offsets, begin, end, _SEEDS, keys, places, block_of(np.uint64), found),
        )
    return found


def letters(column: TextColumn) -> tuple[UInt8, Int64]:
    """The two arrays of a column, for a kernel."""
    return frozen(column.data), frozen(column.offsets)


def block_of(kind: type[_Number]) -> NDArray[_Number]:
    """Room in which a kernel notes something of each row of a block."""
    return np.empty(BLOCK, dtype=kind)


def in_halves(count: int, work: Callable[[int, int], Any]) -> list[Any]:
    """`work(begin, end)` for all rows, on two threads where that pays; its results in order."""
    if count < _WORTH_A_THREAD or (os.cpu_count() or 1) < 2:
        return [work(0, count)]
    with ThreadPoolExecutor(1) as helper:
        other = helper.submit(work, count // 2, count)
        return [work(0, count // 2), other.result()]


def for_both(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(0)` and `work(1)`, at once where `count` rows are worth a thread; what both gave."""
    found = in_halves(count, lambda begin, end: [work(at) for at in (0, 1) if (begin, count - end)[at] == 0])
    return [one for some in found for one in some]


def _hashes(texts: TextColumn) -> tuple[NDArray[np.uint64], int]:
    """The hash of each text, and the length that all of them have, or 0."""
    hashes = np.empty(len(texts), dtype=np.uint64)
    data, offsets = letters(texts)
    widths = in_halves(len(texts), lambda begin, end: _hash(data, offsets, begin, end, _SEEDS, hashes))
    return hashes, max(int(widths[0]), 0) if len(set(widths)) == 1 else 0


def _hashed(texts: TextColumn) -> HashTable | None:
    hashes, width = _hashes(texts)
    return _filled(texts, frozen(hashes), width, max(4, (_PLACES * len(texts) // 2 + 1).bit_length()))


def _filled(texts: TextColumn, hashes: NDArray[np.uint64], width: int, bits: int) -> HashTable | None:
    """The table of 2 to the power of `bits` places, or of more, should too many rows fall into one half."""
    places, keys = np.zeros(1 << bits, dtype=np.uint64), (*letters(texts), width)
    # A thread fills half of the places, and no row leaves its half.
    filled = for_both(len(texts), lambda half: _fill(hashes, keys, half, block_of(np.int64), places))
    if _TWICE in filled:
        return None
    return _filled(texts, hashes, width, bits + 1) if _FULL in filled else HashTable(texts, width, places)


def _numbered(texts: TextColumn) -> Numbered | None:
    text = texts.data[: texts.offsets[1]].tobytes() if len(texts) else b""
    digits = min(len(text) - len(text.rstrip(b"0123456789")), _MOST_DIGITS)
    if not digits:
        return None
    beginning = np.frombuffer(text[: len(text) - digits] + bytes(_PADDING), dtype=np.uint8)
    data, offsets = letters(texts)
    first, no_rows = int(text[len(text) - digits :]), np.zeros(0, dtype=np.int32)
    form = (beginning, digits)
    if all(in_halves(len(texts), lambda a, b: _follow(data, offsets, a, b, form, first))):
        return Numbered(beginning, digits, first, len(texts), no_rows)
    numbers = np.empty(len(texts), dtype=np.int64)
    limits = in_halves(len(texts), lambda a, b: _numbers(data, offsets, a, b, form, numbers))
    first, last = min(low for low, _ in limits), max(high for _, high in limits)
    if first < 0 or last - first >= _WIDEST_RANGE * len(texts) + 1_000:
        return None
    rows = np.full(last - first + 1, NOWHERE, dtype=np.int32)
    placed = _place_numbers(frozen(numbers), first, rows)
    return Numbered(beginning, digits, first, len(rows), rows) if placed else None


@kernel
def _hash_at(data: Any, at: Any, length: Any, seeds: Any) -> Any:
    mixed = seeds[0] ^ _U(length)
    while length > 8:
        mixed = fold(mixed ^ word(data, at), seeds[1])
        at += 8
        length -= 8
    mixed = fold(mixed ^ (word(data, at) & KEEP[length]), seeds[1])
    return fold(mixed ^ seeds[0], seeds[2])


@kernel
def _hash(data: Any, offsets: Any, begin: Any, end: Any, seeds: Any, into: Any) -> Any:
    """Returns the length that all of these texts have, or -1."""
    width = offsets[begin + 1] - offsets[begin] if begin < end else -1
    for row in range(begin, end):
        at = offsets[row]
        length = offsets[row + 1] - at
        into[row] = _hash_at(data, at, length, seeds)
        if length != width:
            width = -1
    return width


@kernel
def _next(place: Any, places: Any) -> Any:
    """The place after this one, in the same half."""
    half = _U(len(places) >> 1)
    return (place & half) | ((place + _ONE) & (half - _ONE))


@kernel
def _row_at(places: Any, place: Any) -> Any:
    """The row in a place, -1 in an empty one."""
    return np.int64(places[place] & _ROW) - 1


@kernel
def _key_at(keys: Any, row: Any) -> Any:
    """Where a key's text starts; for keys of one width that needs no look into memory."""
    _, offsets, width = keys
    return row * width if width > 0 else offsets[row]


@kernel
def _is_key(data: Any, at: Any, length: Any, keys: Any, row: Any) -> Any:
    texts, offsets, width = keys
    start = _key_at(keys, row)
    own = width if width > 0 else offsets[row + 1] - start
    return own == length and same_bytes(data, at, texts, start, length)


@kernel
def _fill(hashes: Any, keys: Any, half: Any, chosen: Any, places: Any) -> Any:
    """Put the rows of this half into the table, and always leave a place empty: a search for what is
    absent ends there."""
    texts, offsets, _ = keys
    mask = _U(len(places) - 1)
    middle = len(places) >> 1
    free = middle - 1
    for first in range(0, len(hashes), BLOCK):
        # Without a branch, because which half a row falls into cannot be foreseen.
        count = 0
        for row in range(first, min(first + BLOCK, len(hashes))):
            chosen[count] = row
            count += (np.int64(hashes[row] & mask) >= middle) == (half == 1)
        for number in range(count):
            prefetch(places, hashes[chosen[number]] & mask)
        free -= count
        if free < 0:
            return _FULL
        for number in range(count):
            row = chosen[number]
            place, tag = hashes[row] & mask, hashes[row] >> _ROW_BITS
            while places[place] != _EMPTY:
                if places[place] >> _ROW_BITS == tag:
                    at = offsets[row]
                    if _is_key(texts, at, offsets[row + 1] - at, keys, _row_at(places, place)):
                        return _TWICE
                place = _next(place, places)
            places[place] = (tag << _ROW_BITS) | _U(row + 1)
    return _FILLED


@kernel
def _probe(places: Any, place: Any, tag: Any) -> Any:
    """From this place on, the first with this tag, or an empty one."""
    while places[place] != _EMPTY and places[place] >> _ROW_BITS != tag:
        place = _next(place, places)
    return place


@kernel
def _find(
    data: Any,
    offsets: Any,
    begin: Any,
    end: Any,
    seeds: Any,
    keys: Any,
    places: Any,
    hashes: Any,
    found: Any,
) -> None:
    """In blocks: where a hash leads, then whether that is the key; short loops overlap their waiting for memory."""
    texts, key_offsets, width = keys
    mask = _U(len(places) - 1)
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        for row in range(first, last):
            at = offsets[row]
            hashes[row - first] = _hash_at(data, at, offsets[row + 1] - at, seeds)
            prefetch(places, hashes[row - first] & mask)
        for row in range(first, last):
            known = hashes[row - first]
            found[row] = _probe(places, known & mask, known >> _ROW_BITS)
            if width <= 0:
                prefetch(key_offsets, max(_row_at(places, _U(found[row])), 0))
        for row in range(first, last):
            prefetch(texts, _key_at(keys, max(_row_at(places, _U(found[row])), 0)))
        for row in range(first, last):
            at = offsets[row]
            length = offsets[row + 1] - at
            place = _U(found[row])
            found[row] = NOWHERE
            while length > 0 and places[place] != _EMPTY:
                key = _row_at(places, place)
                if _is_key(data, at, length, keys, key):
                    found[row] = key
                    break
                place = _probe(places, _next(place, places), hashes[row - first] >> _ROW_BITS)


@kernel
def _number_of(data: Any, at: Any, length: Any, form: Any, known: Any) -> Any:
    """The number of a text that is the form's beginning and so many digits, or -1; and what is now `known`.

    That is where the text before the last eight digits stood last, and what its digits say, times
    10^8, or -1 where it is not as it should be: that part seldom changes from row to row.
    """
    beginning, digits = form
    size, low = len(beginning) - _PADDING, min(digits, _WORD)
    if length != size + digits:
        return np.int64(-1), known
    head = length - low
    if known[0] < 0 or not same_bytes(data, at, data, known[0], head):
        high = np.int64(0)
        if not same_bytes(data, at, beginning, 0, size):
            high = np.int64(-1)
        elif digits > _WORD:
            high = digits_value(data, at + size, digits - _WORD)
        known = (at, high * _OF_A_WORD if high >= 0 else np.int64(-1))
    number = digits_value(data, at + head, low)
    return (known[1] + number if known[1] >= 0 and number >= 0 else np.int64(-1)), known


@kernel
def _follow(data: Any, offsets: Any, begin: Any, end: Any, form: Any, first: Any) -> Any:
    """Whether the texts are of this form and their numbers those from `first` on, row by row."""
    known = (np.int64(-1), np.int64(-1))
    for row in range(begin, end):
        at = offsets[row]
        number, known = _number_of(data, at, offsets[row + 1] - at, form, known)
        if number != first + row:
            return False
    return True


@kernel
def _numbers(data: Any, offsets: Any, begin: Any, end: Any, form: Any, into: Any) -> Any:
    """The texts' numbers; returns the lowest and the highest, (-1, -1) where a text has none."""
    low, high = np.int64(2**62), np.int64(-1)
    known = (np.int64(-1), np.int64(-1))
    for row in range(begin, end):
        at = offsets[row]
        number, known = _number_of(data, at, offsets[row + 1] - at, form, known)
        if number < 0:
            return np.int64(-1), np.int64(-1)
        into[row] = number
        low, high = min(low, number), max(high, number)
    return low, high


@kernel
def _place_numbers(numbers: Any, first: Any, rows: Any) -> Any:
    """Note each number's row; False where a number occurs twice."""
    for row in range(len(numbers)):
        if rows[numbers[row] - first] != NOWHERE:
            return False
        rows[numbers[row] - first] = row
    return True


@kernel
def _find_numbers(
    data: Any, offsets: Any, begin: Any, end: Any, form: Any, first: Any, size: Any, rows: Any, found: Any
) -> None:
    known = (np.int64(-1), np.int64(-1))
    for row in range(begin, end):
        at = offsets[row]
        number, known = _number_of(data, at, offsets[row + 1] - at, form, known)
        found[row] = number - first if first <= number < first + size else NOWHERE
    if len(rows) == 0:
        return
    for row in range(begin, end):
        if found[row] >= 0:
            found[row] = rows[found[row]]
