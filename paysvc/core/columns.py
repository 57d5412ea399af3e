"""The schemas of the core: one frozen bundle of equally long columns per kind of fact.

Numbers are NumPy arrays; text is a `TextColumn` or, where few texts stand in many rows, a
`CategoryColumn`. Amounts are int64 whole đồng. Every bundle checks in `__post_init__` that its
columns are equally long and raises ValueError when they are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

import numpy as np

from paysvc.core.text_column import Bool, CategoryColumn, Int32, Int64, TextColumn, UInt8, concatenate_text

#: Booking state of a statement entry, from `Ntry/Sts` (ISO 20022 EntryStatus).
BOOKED, PENDING, INFORMATION, FUTURE = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)
ENTRY_STATUS_CODES = {"BOOK": BOOKED, "PDNG": PENDING, "INFO": INFORMATION, "FUTR": FUTURE}


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
        lists = (one.tolist() if isinstance(one, np.ndarray) else one.to_list() for one in self.columns())
        return zip(*lists, strict=True)

    def take(self, positions: Int64) -> Self:
        picked = {}
        for column in fields(self):  # type: ignore[arg-type]
            values = getattr(self, column.name)
            picked[column.name] = values[positions] if isinstance(values, np.ndarray) else values.take(positions)
        return type(self)(**picked)

    def part(self, begin: int, end: int) -> Self:
        """Rows `begin` to `end`, without copying a value."""
        cut = (one[begin:end] if isinstance(one, np.ndarray) else one.part(begin, end) for one in self.columns())
        return type(self)(*cut)


_Bundle = TypeVar("_Bundle", bound=Columns)


def concatenate(bundles: Sequence[_Bundle]) -> _Bundle:
    """One bundle of all rows in order; needs at least one bundle (they carry the type)."""
    return _joined(type(bundles[0]), [bundle.columns() for bundle in bundles])


def drained(bundles: list[_Bundle]) -> _Bundle:
    """`concatenate`, for much: empties the list, and frees each column as soon as it is copied.

    What is held besides the result is then its largest column, if nobody else holds the bundles.
    """
    kind, columns = type(bundles[0]), [bundle.columns() for bundle in bundles]
    bundles.clear()
    return _joined(kind, columns)


def _joined(kind: type[_Bundle], bundles: list[list[Any]]) -> _Bundle:
    joined = []
    while bundles[0]:
        parts = [columns.pop(0) for columns in bundles]
        joined.append(parts[0] if len(parts) == 1 else _JOIN[type(parts[0])](parts))
    return kind(*joined)


_JOIN: dict[type, Any] = {
    np.ndarray: np.concatenate,
    TextColumn: concatenate_text,
    CategoryColumn: CategoryColumn.joined,
}


@dataclass(frozen=True, slots=True)
class SentColumns(Columns):
    """What reconciliation needs to know of what was sent: one row an instruction.

    `message_id` and `payment_information_id` name the file and the block it left in, so that
    a bank's answer to a whole file or block reaches every instruction in it.
    """

    end_to_end_id: TextColumn
    amount_vnd: Int64
    currency: CategoryColumn
    message_id: CategoryColumn
    payment_information_id: CategoryColumn


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
