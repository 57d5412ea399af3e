"""Columns as rows of PostgreSQL's binary COPY format.

The format: a header, then for each row an int16 with the number of fields and for each field
an int32 with its length in bytes (−1 is NULL) and the bytes, integers with the highest byte
first; an int16 of −1 ends it. Rows are laid out in blocks of a few MiB, column by column,
into one buffer that all blocks share.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8, frozen
from paysvc.core.words import copy_bytes

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"

#: Bytes of a block: it stays in the processor's cache while every column writes into it.
_BLOCK = 1 << 20

#: What a column without a NULL has for its mask.
NO_NULLS: Bool = np.zeros(0, np.bool_)


@dataclass(frozen=True)
class IntegerField:
    """Whole numbers of `width` bytes each (1 is a boolean); `is_null` is NO_NULLS or as long as the values.

    The numbers must fit the width: what does not is cut off.
    """

    values: Int64
    width: int
    is_null: Bool

    @cached_property
    def sizes(self) -> Int64 | int:
        """Bytes in each row, the length before the value included."""
        return 4 + self.width * ~self.is_null if len(self.is_null) else 4 + self.width

    def put(self, block: UInt8, at: Int64, first: int) -> None:
        """Write rows from `first` on into `block`, each where `at` says, and move `at` behind it."""
        _put_integers(block, at, frozen(self.values), frozen(self.is_null), first, self.width)


@dataclass(frozen=True)
class BytesField:
    """Texts (UTF-8) or byte strings; `is_null` is NO_NULLS or as long as the values."""

    values: TextColumn
    is_null: Bool

    @cached_property
    def sizes(self) -> Int64:
        lengths = self.values.lengths
        return 4 + (lengths * ~self.is_null if len(self.is_null) else lengths)

    def put(self, block: UInt8, at: Int64, first: int) -> None:
        column = self.values
        _put_bytes(block, at, frozen(column.data), frozen(column.offsets), frozen(self.is_null), first)


@dataclass(frozen=True)
class SameField:
    """One value, as the format has it without its length, or None, in every row."""

    value: bytes | None

    @cached_property
    def _field(self) -> UInt8:
        whole = _NULL if self.value is None else struct.pack(">i", len(self.value)) + self.value
        return np.frombuffer(whole, np.uint8)

    @property
    def sizes(self) -> int:
        return len(self._field)

    def put(self, block: UInt8, at: Int64, first: int) -> None:
        _put_same(block, at, self._field)


Field = IntegerField | BytesField | SameField


def copy_blocks(fields: Sequence[Field], count: int) -> Iterator[memoryview]:
    """The bytes of a whole COPY of `count` rows; a block is good until the next one is asked for."""
    yield memoryview(_HEADER)
    ends = np.cumsum(sum((field.sizes for field in fields), np.full(count, 2, np.int64)))
    cuts = _cuts(ends)
    starts = [int(ends[cut - 1]) if cut else 0 for cut in cuts]
    room = max((after - before for before, after in pairwise(starts)), default=0)
    buffer = np.empty(room, np.uint8)
    for (first, end), (start, stop) in zip(pairwise(cuts), pairwise(starts), strict=True):
        at = np.empty(end - first, np.int64)
        at[0] = 0
        at[1:] = ends[first : end - 1] - start
        block = buffer[: stop - start]
        _put_counts(block, at, len(fields))
        for field in fields:
            field.put(block, at, first)
        yield block.data
    yield memoryview(_TRAILER)


def _cuts(ends: Int64) -> list[int]:
    """The rows at which blocks begin, and the end: a block has at least one row, however long it is."""
    cuts = [0]
    while cuts[-1] < len(ends):
        start = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, start + _BLOCK, side="right"))))
    return cuts


@kernel
def _put_number(block: Any, at: Any, value: Any, width: Any) -> None:
    for place in range(width):
        block[at + place] = (value >> (8 * (width - 1 - place))) & 255


@kernel
def _put_counts(block: Any, at: Any, count: Any) -> None:
    for row in range(len(at)):
        _put_number(block, at[row], count, 2)
        at[row] += 2


@kernel
def _put_integers(block: Any, at: Any, values: Any, is_null: Any, first: Any, width: Any) -> None:
    for row in range(len(at)):
        begin = at[row]
        if len(is_null) and is_null[first + row]:
            _put_number(block, begin, -1, 4)
            at[row] = begin + 4
        else:
            _put_number(block, begin, width, 4)
            _put_number(block, begin + 4, values[first + row], width)
            at[row] = begin + 4 + width


@kernel
def _put_bytes(block: Any, at: Any, data: Any, offsets: Any, is_null: Any, first: Any) -> None:
    for row in range(len(at)):
        begin = at[row]
        if len(is_null) and is_null[first + row]:
            _put_number(block, begin, -1, 4)
            at[row] = begin + 4
        else:
            start = offsets[first + row]
            length = offsets[first + row + 1] - start
            _put_number(block, begin, length, 4)
            copy_bytes(block, begin + 4, data, start, length)
            at[row] = begin + 4 + length


@kernel
def _put_same(block: Any, at: Any, field: Any) -> None:
    for row in range(len(at)):
        begin = at[row]
        copy_bytes(block, begin, field, 0, len(field))
        at[row] = begin + len(field)
