"""What was sent against everything that came back: one line a payment, one a stray reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paysvc.core.columns import (
    BOOKED,
    Bool,
    Columns,
    EntryColumns,
    Int64,
    SentColumns,
    StatusColumns,
    TextColumn,
    UInt8,
    concatenate,
    no_entries,
)
from paysvc.core.join import Keys
from paysvc.core.messages import GroupStatus
from paysvc.core.verdicts import KINDS, OUTCOMES, REJECTED, Tally, first_text, judge, kinds_of, totals_by_outcome
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome

_LINES_AT_ONCE = 50_000

_OUTCOMES = tuple(map(str, OUTCOMES))
#: What is written for each set of discrepancies, its kinds in the order of `DiscrepancyKind`.
_NAMED = tuple(
    "+".join(kind for kind in DiscrepancyKind if kind in KINDS and bits & (1 << KINDS.index(kind)))
    for bits in range(1 << len(KINDS))
)


class Line(NamedTuple):
    """One payment, or one reference that we never sent (`outcome` is then empty). Amounts in đồng.

    `amount_settled_vnd` is the sum of booked debits and `amount_returned_vnd` of booked credits.
    `discrepancy` joins the kinds by `+`, in the order of `DiscrepancyKind`.
    """

    end_to_end_id: str
    outcome: str
    amount_sent_vnd: int
    amount_settled_vnd: int
    amount_returned_vnd: int
    reason_code: str
    bank_reference: str
    discrepancy: str


@dataclass(frozen=True, slots=True)
class Sent:
    """All that was sent. `instruction_id` is each payment's InstrId, or empty."""

    payments: SentColumns
    instruction_id: TextColumn


@dataclass(frozen=True, slots=True)
class LineColumns(Columns):
    """`Line`s of payments in columns; `outcome` is a code of `OUTCOMES`, `discrepancy` has bits of `KINDS`."""

    end_to_end_id: TextColumn
    outcome: UInt8
    amount_sent_vnd: Int64
    amount_settled_vnd: Int64
    amount_returned_vnd: Int64
    reason_code: TextColumn
    bank_reference: TextColumn
    discrepancy: UInt8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures and lines; `outcomes` holds (number, đồng sent) of each outcome.

    `lines` are in the order of their EndToEndIds, stray references after them.
    """

    outcomes: dict[Outcome, tuple[int, int]]
    discrepancies: dict[DiscrepancyKind, int]
    _known: LineColumns
    _strays: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(self.iter_lines())

    def iter_lines(self) -> Iterator[Line]:
        """The lines one by one; never all of them as objects."""
        order = self._known.end_to_end_id.order()
        for begin in range(0, len(order), _LINES_AT_ONCE):
            for reference, outcome, *figures, discrepancy in self._known.take(
                order[begin : begin + _LINES_AT_ONCE]
            ).to_tuples():
                yield Line._make((reference, _OUTCOMES[outcome], *figures, _NAMED[discrepancy]))
        yield from self._strays


class Comparing:
    """What was sent held against what came back, piece by piece, by the rule of `domain.reconciliation`.

    The order of pieces, and of rows in them, changes nothing.
    """

    def __init__(self, sent: Sent) -> None:
        """Raises ValueError when an EndToEndId was sent twice."""
        self._sent = sent
        self._keys = Keys.of(sent.payments.end_to_end_id)
        self._tally = Tally(sent.payments)
        self._unknown = [no_entries()]
        self._by_instruction_id: dict[bytes, int] | None = None

    def add(self, entries: EntryColumns) -> None:
        """Entries of a statement that is believed. Raises ValueError past what a ledger holds."""
        positions = self._find(entries.reference)
        self._tally.add(entries, positions)
        self._unknown.append(entries.take(np.flatnonzero((entries.status == BOOKED) & (positions < 0))))

    def comparison(self, statuses: StatusColumns, groups: Sequence[GroupStatus]) -> Comparison:
        """The result, with what the bank said of single payments, and of whole files and blocks."""
        payments = self._sent.payments
        at_statuses = self._find(statuses.reference)
        booked = self._tally.columns()
        refusals = _refusals(payments, statuses, groups, at_statuses)
        outcomes, kinds = judge(booked, refusals.refused)
        strays = _stray_lines(concatenate(self._unknown), statuses, at_statuses)
        flags = kinds_of(kinds)
        counts = {kind: int(flags[kind].sum()) if kind in flags else len(strays) for kind in DiscrepancyKind}
        known = LineColumns(
            end_to_end_id=payments.end_to_end_id,
            outcome=outcomes,
            amount_sent_vnd=payments.amount_vnd,
            amount_settled_vnd=booked.debited_vnd,
            amount_returned_vnd=booked.credited_vnd,
            reason_code=booked.reason_code.or_else(refusals.reason_code.pick(_only(outcomes == REJECTED))),
            bank_reference=booked.bank_reference.or_else(refusals.bank_reference),
            discrepancy=kinds,
        )
        return Comparison(totals_by_outcome(outcomes, payments.amount_vnd), counts, known, tuple(strays))

    def _find(self, references: TextColumn) -> Int64:
        """The payment of each reference: by EndToEndId, else by an InstrId that only one payment has."""
        positions = self._keys.find(references)
        missed = np.flatnonzero(positions < 0)
        if len(missed) and len(self._sent.instruction_id.data):
            if self._by_instruction_id is None:
                ids = self._sent.instruction_id.to_bytes_list()
                often = Counter(ids)
                self._by_instruction_id = {one: row for row, one in enumerate(ids) if one and often[one] == 1}
            values = references.take(missed).to_bytes_list()
            positions[missed] = [self._by_instruction_id.get(value, -1) for value in values]
        return positions


def rows_of(group: GroupStatus, payments: SentColumns) -> Int64:
    """The payments that a bank's word about a file, or about a block of it, speaks of."""
    is_meant = payments.message_id.is_equal(group.message_id)
    if group.payment_information_id is not None:
        is_meant &= payments.payment_information_id.is_equal(group.payment_information_id)
    return np.flatnonzero(is_meant)


@dataclass(frozen=True, slots=True)
class _Refusals:
    """Per payment: whether the bank refused it, why, and the reference its report gave."""

    refused: Bool
    reason_code: TextColumn
    bank_reference: TextColumn


def _refusals(
    payments: SentColumns, statuses: StatusColumns, groups: Sequence[GroupStatus], positions: Int64
) -> _Refusals:
    """Refusals of payments, blocks and files: the closest word gives the reason, of equals the smallest."""
    count = len(payments)
    is_known = positions >= 0
    rows = np.flatnonzero(is_known & statuses.status.is_in(REFUSALS))
    refused = np.zeros(count, dtype=np.bool_)
    refused[positions[rows]] = True
    reasons = statuses.reason_code.pick(first_text(statuses.reason_code, rows, positions[rows], count))
    refusing = [group for group in groups if group.status in REFUSALS]
    for group in sorted(refusing, key=lambda one: (one.payment_information_id is None, one.reason_code)):
        meant = rows_of(group, payments)
        refused[meant] = True
        said = np.full(count, -1, dtype=np.int64)
        said[meant] = 0
        reasons = reasons.or_else(TextColumn.of([group.reason_code]).pick(said))
    rows = np.flatnonzero(is_known)
    references = statuses.bank_reference.pick(first_text(statuses.bank_reference, rows, positions[rows], count))
    return _Refusals(refused, reasons, references)


def _only(chosen: Bool) -> Int64:
    """Each row's own position where it is chosen, else −1."""
    return np.where(chosen, np.arange(len(chosen)), -1)


def _stray_lines(unknown: EntryColumns, statuses: StatusColumns, at_statuses: Int64) -> list[Line]:
    """References that we never sent, each once; a booked entry without any is a line of its own."""
    seen: dict[str, list[Line]] = {}
    nameless: list[Line] = []
    for line in map(_stray_entry, _picked(unknown)):
        (seen.setdefault(line.end_to_end_id, []) if line.end_to_end_id else nameless).append(line)
    missed = statuses.take(np.flatnonzero(at_statuses < 0))
    columns = (missed.reference, missed.status, missed.reason_code, missed.bank_reference)
    for reference, status, reason, own in zip(*(column.to_list() for column in columns), strict=True):
        line = _stray(reference, 0, 0, reason, own)
        if reference:
            seen.setdefault(reference, []).append(line)
        elif status in REFUSALS:
            nameless.append(line)
    return sorted(nameless) + [_merged(seen[reference]) for reference in sorted(seen)]


_Entry = tuple[str, int, str, bool, str, str]


def _picked(picked: EntryColumns) -> Iterator[_Entry]:
    return zip(
        picked.reference.to_list(),
        picked.amount_vnd.tolist(),
        picked.currency.to_list(),
        picked.is_debit.tolist(),
        picked.reason_code.to_list(),
        picked.bank_reference.to_list(),
        strict=True,
    )


def _stray_entry(entry: _Entry) -> Line:
    reference, amount, currency, is_debit, reason, own = entry
    counted = amount if currency == VND else 0
    return _stray(reference, counted if is_debit else 0, 0 if is_debit else counted, reason, own)


def _stray(reference: str, debited: int, credited: int, reason: str, own: str) -> Line:
    return Line(reference, "", 0, debited, credited, reason, own, str(DiscrepancyKind.UNKNOWN_REFERENCE))


def _merged(lines: Sequence[Line]) -> Line:
    """All lines of one stray reference as one; reason and bank reference are the smallest given."""
    return _stray(
        lines[0].end_to_end_id,
        sum(line.amount_settled_vnd for line in lines),
        sum(line.amount_returned_vnd for line in lines),
        _smallest(line.reason_code for line in lines),
        _smallest(line.bank_reference for line in lines),
    )


def _smallest(texts: Iterable[str]) -> str:
    """The first in code point order of the texts that are not empty, or ""."""
    return min(filter(None, texts), default="")
