"""Looking up a million references in a million keys: compiled, on two threads, whole keys compared.

Keys that a program numbered (`PS20261121-000000000001`, …) are found by their number; all
others by a table over a hash that is seeded anew in every process, because banks choose
references and must not be able to choose collisions. The numbers and hashes only lead to a
row; a row is given only where its key has been compared, or where number and width leave no
other text possible.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paysvc.core.compiled import kernel
from paysvc.core.text_column import Int64, TextColumn, UInt8, frozen
from paysvc.core.words import KEEP, digits_value, fold, prefetch, same_bytes, word

_U = np.uint64
#: Chosen by each process for itself; odd, so that no factor is zero.
_SEEDS = frozen(np.frombuffer(os.urandom(24), dtype=np.uint64) | _U(1))

#: How many rows before it is needed a place in memory is fetched, and how many are looked up together.
_AHEAD = 16
_BLOCK = 64
#: Rows for which a second thread is started.
_WORTH_A_THREAD = 30_000
_ROW_BITS = _U(32)
_ROW = _U(0xFFFFFFFF)
#: A numbered key has at most so many digits (they fill two words) and lies in a range at most
#: so many times as wide as there are keys.
_MOST_DIGITS = 16
_WIDEST_RANGE = 4

NOWHERE = -1


class HashTable(NamedTuple):
    """A place holds 0, or the upper half of a key's hash beside its row + 1."""

    texts: TextColumn
    places: NDArray[np.uint64]


class Numbered(NamedTuple):
    """Keys of one width that differ in their last `digits` digits only: `rows[number - first]`, or −1."""

    beginning: UInt8
    digits: int
    first: int
    rows: NDArray[np.int32]


def index(texts: TextColumn) -> Numbered | HashTable | None:
    """The keys prepared for `find`; None where one of them occurs twice."""
    return _numbered(texts) or _hashed(texts)


def find(table: Numbered | HashTable, references: TextColumn) -> Int64:
    """For each reference the row of its key, or −1; the empty reference is found nowhere."""
    found = np.empty(len(references), dtype=np.int64)
    data, offsets = letters(references)
    if isinstance(table, Numbered):
        numbers = (table.beginning, table.digits, table.first, frozen(table.rows))
        in_halves(len(references), lambda begin, end: _find_numbers(data, offsets, begin, end, numbers, found))
    else:
        hashes, keys, places = frozen(_hashes(references)), letters(table.texts), frozen(table.places)
        in_halves(len(references), lambda begin, end: _find(data, offsets, begin, end, hashes, keys, places, found))
    return found


def letters(column: TextColumn) -> tuple[UInt8, Int64]:
    """The two arrays of a column, for a kernel."""
    return frozen(column.data), frozen(column.offsets)


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


def _hashes(texts: TextColumn) -> NDArray[np.uint64]:
    hashes = np.empty(len(texts), dtype=np.uint64)
    data, offsets = letters(texts)
    in_halves(len(texts), lambda begin, end: _hash(data, offsets, begin, end, _SEEDS, hashes))
    return hashes


def _hashed(texts: TextColumn) -> HashTable | None:
    hashes, keys = frozen(_hashes(texts)), letters(texts)
    # A thread fills half of the places, and no row leaves its half. Should all rows fall into one of
    # them, an empty place is still left there: a search for what is absent ends at an empty place.
    places = np.zeros(1 << max(4, (2 * len(texts) + 1).bit_length()), dtype=np.uint64)
    filled = for_both(len(texts), lambda half: _fill(hashes, keys, places, half))
    return HashTable(texts, places) if all(filled) else None


def _numbered(texts: TextColumn) -> Numbered | None:
    text = texts.data[: texts.offsets[1]].tobytes() if len(texts) else b""
    digits = min(len(text) - len(text.rstrip(b"0123456789")), _MOST_DIGITS)
    if not digits:
        return None
    beginning = text[: len(text) - digits]
    numbers = np.empty(len(texts), dtype=np.int64)
    start = np.frombuffer(beginning, dtype=np.uint8)
    data, offsets = letters(texts)
    limits = in_halves(len(texts), lambda a, b: _numbers(data, offsets, a, b, start, digits, numbers))
    first, last = min(low for low, _ in limits), max(high for _, high in limits)
    if first < 0 or last - first >= _WIDEST_RANGE * len(texts) + 1_000:
        return None
    rows = np.full(last - first + 1, NOWHERE, dtype=np.int32)
    return Numbered(start, digits, first, rows) if _place_numbers(frozen(numbers), first, rows) else None


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
def _hash(data: Any, offsets: Any, begin: Any, end: Any, seeds: Any, into: Any) -> None:
    for row in range(begin, end):
        at = offsets[row]
        into[row] = _hash_at(data, at, offsets[row + 1] - at, seeds)


@kernel
def _next(place: Any, places: Any) -> Any:
    """The place after this one, in the same half."""
    half = len(places) >> 1
    return (place & half) | ((place + 1) & (half - 1))


@kernel
def _is_key(data: Any, at: Any, length: Any, keys: Any, row: Any) -> Any:
    texts, offsets = keys
    start = offsets[row]
    return offsets[row + 1] - start == length and same_bytes(data, at, texts, start, length)


@kernel
def _fill(hashes: Any, keys: Any, places: Any, half: Any) -> Any:
    """Put the rows of this half into the table; False where a key occurs twice."""
    texts, offsets = keys
    mask = _U(len(places) - 1)
    middle = len(places) >> 1
    for row in range(len(hashes)):
        if row + _AHEAD < len(hashes):
            prefetch(places, np.int64(hashes[row + _AHEAD] & mask))
        place = np.int64(hashes[row] & mask)
        if (place >= middle) != (half == 1):
            continue
        tag = hashes[row] >> _ROW_BITS
        while places[place] != _U(0):
            if places[place] >> _ROW_BITS == tag:
                at = offsets[row]
                if _is_key(texts, at, offsets[row + 1] - at, keys, np.int64(places[place] & _ROW) - 1):
                    return False
            place = _next(place, places)
        places[place] = (tag << _ROW_BITS) | _U(row + 1)
    return True


@kernel
def _probe(places: Any, place: Any, tag: Any) -> Any:
    """From this place on, the first with this tag, or an empty one."""
    while places[place] != _U(0) and places[place] >> _ROW_BITS != tag:
        place = _next(place, places)
    return place


@kernel
def _find(data: Any, offsets: Any, begin: Any, end: Any, hashes: Any, keys: Any, places: Any, found: Any) -> None:
    """In blocks: where a hash leads, then whether that is the key; short loops overlap their waiting for memory."""
    texts, key_offsets = keys
    mask = _U(len(places) - 1)
    for first in range(begin, end, _BLOCK):
        last = min(first + _BLOCK, end)
        for row in range(first, last):
            prefetch(places, np.int64(hashes[row] & mask))
        for row in range(first, last):
            found[row] = _probe(places, np.int64(hashes[row] & mask), hashes[row] >> _ROW_BITS)
            key = np.int64(places[found[row]] & _ROW) - 1
            prefetch(key_offsets, max(key, 0))
        for row in range(first, last):
            key = np.int64(places[found[row]] & _ROW) - 1
            prefetch(texts, key_offsets[max(key, 0)])
        for row in range(first, last):
            at = offsets[row]
            length = offsets[row + 1] - at
            place = found[row]
            found[row] = NOWHERE
            while length > 0 and places[place] != _U(0):
                key = np.int64(places[place] & _ROW) - 1
                if _is_key(data, at, length, keys, key):
                    found[row] = key
                    break
                place = _probe(places, _next(place, places), hashes[row] >> _ROW_BITS)


@kernel
def _number(data: Any, at: Any, digits: Any) -> Any:
    """The number in these 1 to 16 digits, or -1 where one is none."""
    low = min(digits, 8)
    number = digits_value(data, at + digits - low, low)
    if digits > 8 and number >= 0:
        high = digits_value(data, at, digits - 8)
        return high * 100_000_000 + number if high >= 0 else -1
    return number


@kernel
def _number_of(data: Any, at: Any, length: Any, beginning: Any, digits: Any) -> Any:
    """The number of a text that is `beginning` and so many digits, or -1."""
    size = len(beginning)
    if length != size + digits or not same_bytes(data, at, beginning, 0, size):
        return -1
    return _number(data, at + size, digits)


@kernel
def _numbers(data: Any, offsets: Any, begin: Any, end: Any, beginning: Any, digits: Any, into: Any) -> Any:
    """The texts' numbers; returns the lowest and the highest, (-1, -1) where a text has none."""
    low, high = np.int64(2**62), np.int64(-1)
    for row in range(begin, end):
        at = offsets[row]
        number = _number_of(data, at, offsets[row + 1] - at, beginning, digits)
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
def _find_numbers(data: Any, offsets: Any, begin: Any, end: Any, numbered: Any, found: Any) -> None:
    beginning, digits, first, rows = numbered
    for row in range(begin, end):
        at = offsets[row]
        found[row] = _number_of(data, at, offsets[row + 1] - at, beginning, digits) - first
    for row in range(begin, end):
        number = found[row]
        found[row] = rows[number] if 0 <= number < len(rows) else NOWHERE
