"""Text in columns: a million references are two buffers and not a million objects.

`TextColumn` is Arrow's large-utf8 layout (UTF-8 bytes and int64 offsets), `CategoryColumn` its
dictionary layout, for few different texts in many rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: Of the numbers that stand for texts; odd, so that no byte's weight vanishes modulo 2^64.
_RADIX = 0x9E3779B97F4A7C15

_WORD = 8
_COMPARED_AT_ONCE = 100_000

_Kind = TypeVar("_Kind", bound=np.generic)


def frozen(array: NDArray[_Kind]) -> NDArray[_Kind]:
    """An array as kernels take what they only read: one piece of memory, not to be written.

    Numba compiles anew for every kind of array, and nobody shall wait for that.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """Text in Arrow's large-utf8 layout: value i is `data[offsets[i]:offsets[i + 1]]`.

    `data` is uint8 of any length, `offsets` int64 of length n + 1 starting at 0. There is
    no null: an absent value is the empty text.
    """

    data: UInt8
    offsets: Int64

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        texts = values if isinstance(values, list) else list(values)
        together = "".join(texts)
        if not together.isascii():
            return cls.of_bytes([value.encode() for value in texts])
        # One letter is one byte, so the texts' own lengths are the offsets.
        return cls(np.frombuffer(together.encode(), dtype=np.uint8), _offsets(_lengths_of(texts)))

    @classmethod
    def of_bytes(cls, values: Sequence[bytes]) -> Self:
        return cls(np.frombuffer(b"".join(values), dtype=np.uint8), _offsets(_lengths_of(values)))

    @classmethod
    def repeat(cls, value: str, count: int) -> Self:
        encoded = value.encode()
        if not encoded:
            # Zeros that nobody reads take no memory.
            return cls(np.zeros(0, dtype=np.uint8), np.zeros(count + 1, dtype=np.int64))
        return cls(
            np.frombuffer(encoded * count, dtype=np.uint8),
            np.arange(count + 1, dtype=np.int64) * len(encoded),
        )

    @classmethod
    def cut(cls, data: UInt8, starts: Int64, lengths: Int64) -> Self:
        """The texts `data[start:start + length]`; all of them lie inside `data`."""
        offsets = _offsets(lengths)
        total = int(offsets[-1])
        if not total:
            return cls(np.zeros(0, np.uint8), offsets)
        width = int(lengths[0])
        if total == width * len(lengths) and bool((lengths == width).all()):
            # A sliding view gathers whole texts of one width, several times as fast as byte by byte.
            return cls(sliding_window_view(data, width)[starts].reshape(-1), offsets)
        at = np.arange(total, dtype=np.int64)
        at += np.repeat(starts - offsets[:-1], lengths)
        return cls(data[at], offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_list())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TextColumn)
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.data[: self.offsets[-1]], other.data[: other.offsets[-1]])
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable underneath

    @property
    def lengths(self) -> Int64:
        """The number of bytes of each text, int64 of length n."""
        return np.diff(self.offsets)

    def to_bytes_list(self) -> list[bytes]:
        whole = self.data.tobytes()
        ends = self.offsets.tolist()
        return [whole[start:end] for start, end in pairwise(ends)]

    def to_list(self) -> list[str]:
        whole = self.data[: self.offsets[-1]].tobytes()
        if not whole.isascii():
            return [value.decode() for value in self.to_bytes_list()]
        text = whole.decode()
        return [text[start:end] for start, end in pairwise(self.offsets.tolist())]

    def take(self, positions: Sequence[int] | Int64) -> TextColumn:
        """The texts at these positions; a negative one counts from the end, as in a list."""
        at = np.arange(len(self), dtype=np.int64)[np.asarray(positions, dtype=np.int64)]
        starts = self.offsets[at]
        return TextColumn.cut(self.data, starts, self.offsets[at + 1] - starts)

    def pick(self, positions: Int64) -> TextColumn:
        """The texts at these positions, and the empty text where the position is −1."""
        is_there = positions >= 0
        starts, lengths = np.zeros(len(positions), np.int64), np.zeros(len(positions), np.int64)
        at = positions[is_there]
        starts[is_there] = self.offsets[at]
        lengths[is_there] = self.offsets[at + 1] - self.offsets[at]
        return TextColumn.cut(self.data, starts, lengths)

    def part(self, begin: int, end: int) -> TextColumn:
        """Rows `begin` to `end`, without copying a text."""
        offsets = self.offsets[begin : end + 1]
        return TextColumn(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])

    def or_else(self, other: TextColumn) -> TextColumn:
        """Row by row the own text, or, where it is empty, that of `other` (equally long)."""
        is_own = self.lengths > 0
        if is_own.all() or not len(other.data):
            return self
        rows = np.arange(len(self), dtype=np.int64)
        return concatenate_text([self, other]).take(np.where(is_own, rows, rows + len(self)))

    def order(self) -> Int64:
        """The rows in the order of their texts' bytes."""
        if self.is_in_order():
            return np.arange(len(self), dtype=np.int64)
        # A text comes before the longer one that begins with it: the shorter is decided last.
        keys = [self.lengths, *self._words().T[::-1]]
        return np.lexsort(keys).astype(np.int64)

    def is_in_order(self) -> bool:
        """Whether no text comes before the one above it, by their bytes."""
        return all(
            self.part(begin, min(begin + _COMPARED_AT_ONCE + 1, len(self)))._is_in_order()
            for begin in range(0, len(self), _COMPARED_AT_ONCE)
        )

    def _is_in_order(self) -> bool:
        words = self._words()
        undecided = np.ones(max(len(self) - 1, 0), np.bool_)
        for word in (*words.T, self.lengths):
            above, below = word[:-1], word[1:]
            if (undecided & (above > below)).any():
                return False
            undecided &= above == below
        return True

    def _words(self) -> NDArray[np.uint64]:
        """Each text as words, padded with zeros, of which the first decides what comes first."""
        words = max(-(-int(self.lengths.max(initial=0)) // _WORD), 1)
        padded = np.zeros((len(self), words * _WORD), dtype=np.uint8)
        self.put_into(padded.reshape(-1), np.arange(len(self), dtype=np.int64) * padded.shape[1])
        found: NDArray[np.uint64] = padded.view(">u8")
        return found

    def is_equal(self, value: str) -> Bool:
        """Which texts are `value`, byte for byte."""
        wanted = np.frombuffer(value.encode(), dtype=np.uint8)
        same: Bool = self.lengths == len(wanted)
        if len(wanted) and same.any():
            starts = self.offsets[:-1][same]
            same[same] = (sliding_window_view(self.data, len(wanted))[starts] == wanted).all(axis=1)
        return same

    def is_in(self, values: Iterable[str]) -> Bool:
        """Which texts are one of these few."""
        found = np.zeros(len(self), np.bool_)
        for value in values:
            found |= self.is_equal(value)
        return found

    def holds_only(self, letters: bytes) -> bool:
        """Whether no text holds another byte than these."""
        is_letter = np.zeros(256, np.bool_)
        is_letter[np.frombuffer(letters, dtype=np.uint8)] = True
        return bool(is_letter[self.data[: self.offsets[-1]]].all())

    def is_same(self, other: TextColumn) -> Bool:
        """Row by row, whether both columns (equally long) hold the same text."""
        same: Bool = self.lengths == other.lengths
        if not same.all():
            rows = np.flatnonzero(same)
            same[rows] = self.take(rows).is_same(other.take(rows))
            return same
        differing = np.flatnonzero(self.data[: self.offsets[-1]] != other.data[: other.offsets[-1]])
        same[np.searchsorted(self.offsets, differing, side="right") - 1] = False
        return same

    def hashes(self) -> NDArray[np.uint64]:
        """A 64-bit number of each text: equal texts have equal ones, others hardly ever."""
        lengths, end = self.lengths, int(self.offsets[-1])
        longest = int(lengths.max(initial=0))
        powers = np.cumprod(np.full(longest, _RADIX, np.uint64), dtype=np.uint64)
        weighed = self.data[:end].astype(np.uint64)
        weighed += np.uint64(1)
        if end == longest * len(self):
            return weighed.reshape(len(self), longest) @ powers
        weighed *= powers[np.arange(end, dtype=np.int64) - np.repeat(self.offsets[:-1], lengths)]
        # Whole numbers modulo 2^64, so the difference of two running sums is the sum between.
        running = np.zeros(end + 1, np.uint64)
        np.cumsum(weighed, out=running[1:])
        return running[self.offsets[1:]] - running[self.offsets[:-1]]

    def categories(self) -> tuple[TextColumn, Int64]:
        """The different texts, and for each row which of them it holds; the texts are in no order."""
        first, codes = group_rows([self])
        return self.take(first), codes

    def put_into(self, target: UInt8, starts: Int64) -> None:
        """Write the texts into `target`, text i from `starts[i]` on; they may not overlap there."""
        lengths, end = self.lengths, int(self.offsets[-1])
        if not end:
            return
        width = int(lengths[0])
        if bool((lengths == width).all()):
            sliding_window_view(target, width, writeable=True)[starts] = self.data[:end].reshape(-1, width)
        else:
            at = np.arange(end, dtype=np.int64)
            at += np.repeat(starts - self.offsets[:-1], lengths)
            target[at] = self.data[:end]


def group_rows(columns: Sequence[TextColumn]) -> tuple[Int64, Int64]:
    """Which rows are equal in all of `columns` (equally long, at least one).

    Returns one row of each group, int64 of length g, and for each row its group, 0 to g − 1.
    """
    numbers = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        numbers *= np.uint64(_RADIX)
        # The upper half decides too, so that two columns' texts do not cancel each other.
        own = column.hashes()
        numbers += own ^ (own >> np.uint64(29))
    _, first, codes = np.unique(numbers, return_index=True, return_inverse=True)
    if all(column.take(first[codes]).is_same(column).all() for column in columns):
        return first.astype(np.int64), codes.astype(np.int64)
    # Two different rows with one number: rare enough for a dictionary.
    seen: dict[tuple[bytes, ...], int] = {}
    values = zip(*(column.to_bytes_list() for column in columns), strict=True)
    codes = np.array([seen.setdefault(value, len(seen)) for value in values], np.int64)
    return np.unique(codes, return_index=True)[1].astype(np.int64), codes


def number_groups(numbers: Int64) -> tuple[Int64, Int64]:
    """The different numbers, and for each row which of them it holds; for columns in which equal
    numbers mostly stand together, so that there is little to sort."""
    count = len(numbers)
    starts = np.flatnonzero(np.concatenate([np.ones(min(count, 1), np.bool_), numbers[1:] != numbers[:-1]]))
    different, codes = np.unique(numbers[starts], return_inverse=True)
    return different, np.repeat(codes.astype(np.int64), np.diff(starts, append=count))


def _lengths_of(values: Sequence[str] | Sequence[bytes]) -> Int64:
    return np.fromiter(map(len, values), dtype=np.int64, count=len(values))


def _offsets(lengths: Int64) -> Int64:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def concatenate_text(columns: Sequence[TextColumn]) -> TextColumn:
    """One column of the given columns' values in order."""
    if not columns:
        return TextColumn.of([])
    shifts = np.cumsum([0] + [int(column.offsets[-1]) for column in columns[:-1]])
    offsets = [np.zeros(1, dtype=np.int64)]
    offsets += [column.offsets[1:] + shift for column, shift in zip(columns, shifts, strict=True)]
    data = np.concatenate([column.data[: column.offsets[-1]] for column in columns])
    return TextColumn(data, np.concatenate(offsets))


def _code_type(texts: int) -> Any:
    return np.uint8 if texts <= 1 << 8 else np.int32


@dataclass(frozen=True, slots=True, eq=False)
class CategoryColumn:
    """Few different texts in many rows, in Arrow's dictionary layout: row i holds `texts[codes[i]]`.

    `codes` is uint8 of length n, or int32 where there are more than 256 texts; the texts are different.
    """

    codes: UInt8 | Int32
    texts: TextColumn

    @classmethod
    def of(cls, column: TextColumn) -> Self:
        """The same texts, each different one once."""
        if len(column) and column.is_equal(column[0]).all():
            return cls.repeat(column[0], len(column))
        texts, codes = column.categories()
        return cls(codes.astype(_code_type(len(texts))), texts)

    @classmethod
    def repeat(cls, value: str, count: int) -> Self:
        return cls(np.zeros(count, np.uint8), TextColumn.of([value]))

    @classmethod
    def joined(cls, parts: Sequence[CategoryColumn]) -> Self:
        """One column of the parts' values in order."""
        seen: dict[bytes, int] = {}
        numbers = [[seen.setdefault(text, len(seen)) for text in part.texts.to_bytes_list()] for part in parts]
        kind = _code_type(len(seen))
        codes = [np.array(own, kind)[part.codes] for own, part in zip(numbers, parts, strict=True)]
        return cls(np.concatenate(codes), TextColumn.of_bytes(list(seen)))

    def __len__(self) -> int:
        return len(self.codes)

    def __eq__(self, other: object) -> bool:
        """Whether the rows hold the same texts; how these are numbered does not matter."""
        return isinstance(other, CategoryColumn) and self.to_text() == other.to_text()

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable underneath

    def to_list(self) -> list[str]:
        texts = self.texts.to_list()
        return [texts[code] for code in self.codes.tolist()]

    def to_text(self) -> TextColumn:
        """Every row's text written out."""
        return self.texts.take(self.codes.astype(np.int64))

    def take(self, positions: Sequence[int] | Int64) -> CategoryColumn:
        return CategoryColumn(self.codes[np.asarray(positions, dtype=np.int64)], self.texts)

    def part(self, begin: int, end: int) -> CategoryColumn:
        """Rows `begin` to `end`, without copying."""
        return CategoryColumn(self.codes[begin:end], self.texts)

    def is_equal(self, value: str) -> Bool:
        """Which rows hold `value`, byte for byte."""
        return self.texts.is_equal(value)[self.codes]
