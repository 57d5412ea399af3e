"""The schemas of the core: one frozen bundle of equally long columns per kind of fact.

Numbers are NumPy arrays; text is a `TextColumn` in Arrow's layout (UTF-8 bytes and int64
offsets), so that a million references are two buffers and not a million objects. Amounts
are int64 whole đồng. Every bundle checks in `__post_init__` that its columns are equally
long and raises ValueError when they are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: Booking state of a statement entry, from `Ntry/Sts` (ISO 20022 EntryStatus).
BOOKED, PENDING, INFORMATION, FUTURE = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)
ENTRY_STATUS_CODES = {"BOOK": BOOKED, "PDNG": PENDING, "INFO": INFORMATION, "FUTR": FUTURE}

#: Of the numbers that stand for texts; odd, so that no byte's weight vanishes modulo 2^64.
_RADIX = 0x9E3779B97F4A7C15

_WORD = 8


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
        words = -(-int(self.lengths.max(initial=0)) // _WORD)
        padded = np.zeros((len(self), max(words, 1) * _WORD), dtype=np.uint8)
        self.put_into(padded.reshape(-1), np.arange(len(self), dtype=np.int64) * padded.shape[1])
        # A text comes before the longer one that begins with it: the shorter is decided last.
        keys = [self.lengths, *padded.view(">u8").T[::-1]]
        return np.lexsort(keys).astype(np.int64)

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


class Columns:
    """What every bundle shares: equal lengths, a length, rows picked by position."""

    __slots__ = ()

    def __post_init__(self) -> None:
        lengths = {column.name: len(getattr(self, column.name)) for column in fields(self)}  # type: ignore[arg-type]
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of unequal length: {lengths}")

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def columns(self) -> list[Any]:
        """The columns themselves, in the order of the fields."""
        return [getattr(self, column.name) for column in fields(self)]  # type: ignore[arg-type]

    def to_tuples(self) -> Iterator[tuple[Any, ...]]:
        """Row by row; for the few rows that somebody looks at closely."""
        lists = (one.to_list() if isinstance(one, TextColumn) else one.tolist() for one in self.columns())
        return zip(*lists, strict=True)

    def take(self, positions: Int64) -> Self:
        picked = {}
        for column in fields(self):  # type: ignore[arg-type]
            values = getattr(self, column.name)
            picked[column.name] = values.take(positions) if isinstance(values, TextColumn) else values[positions]
        return type(self)(**picked)

    def part(self, begin: int, end: int) -> Self:
        """Rows `begin` to `end`, without copying a value."""
        cut = (one.part(begin, end) if isinstance(one, TextColumn) else one[begin:end] for one in self.columns())
        return type(self)(*cut)


_Bundle = TypeVar("_Bundle", bound=Columns)


def concatenate(bundles: Sequence[_Bundle]) -> _Bundle:
    """One bundle of all rows in order; needs at least one bundle (they carry the type)."""
    joined = {}
    for column in fields(bundles[0]):  # type: ignore[arg-type]
        parts = [getattr(bundle, column.name) for bundle in bundles]
        joined[column.name] = concatenate_text(parts) if isinstance(parts[0], TextColumn) else np.concatenate(parts)
    return type(bundles[0])(**joined)


@dataclass(frozen=True, slots=True)
class SentColumns(Columns):
    """What reconciliation needs to know of what was sent: one row an instruction.

    `message_id` and `payment_information_id` name the file and the block it left in, so that
    a bank's answer to a whole file or block reaches every instruction in it.
    """

    end_to_end_id: TextColumn
    amount_vnd: Int64
    currency: TextColumn
    message_id: TextColumn
    payment_information_id: TextColumn


@dataclass(frozen=True, slots=True)
class EntryColumns(Columns):
    """Lines of an account statement: one row a transaction (`TxDtls`), batch bookings opened.

    `reference` is the EndToEndId, or the InstrId where a bank gives no EndToEndId, or empty.
    `amount_vnd` is in the entry's `currency`; an amount with a fraction is possible only in
    a currency other than VND, and is then cut to whole units, which no total of ours uses.
    `is_debit` is seen from the payer's account: a debit pays, a credit brings back.
    `status` is BOOKED, PENDING, INFORMATION or FUTURE. `reason_code` is `RtrInf/Rsn` (a code
    or a proprietary text) or empty. `bank_reference` is `AcctSvcrRef`. `entry_number` counts
    the `Ntry` elements (or `:61:` lines) from 1. `booking_date` is ISO text or empty.
    """

    reference: TextColumn
    amount_vnd: Int64
    currency: TextColumn
    is_debit: Bool
    status: UInt8
    reason_code: TextColumn
    bank_reference: TextColumn
    entry_number: Int32
    booking_date: TextColumn


@dataclass(frozen=True, slots=True)
class StatusColumns(Columns):
    """What a bank says it did with single payments (pain.002 `TxInfAndSts`, result lists).

    `status` is an ISO 20022 payment transaction status (RCVD … ACCC, RJCT, CPUC).
    """

    reference: TextColumn
    status: TextColumn
    reason_code: TextColumn
    bank_reference: TextColumn


def no_entries() -> EntryColumns:
    """The entries of a statement that has none."""
    text, amounts, no = TextColumn.of([]), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    numbers = np.zeros(0, np.int32)
    return EntryColumns(text, amounts, text, no, np.zeros(0, np.uint8), text, text, numbers, text)


def no_statuses() -> StatusColumns:
    """The statuses of a report that names no payment."""
    empty = TextColumn.of([])
    return StatusColumns(reference=empty, status=empty, reason_code=empty, bank_reference=empty)
