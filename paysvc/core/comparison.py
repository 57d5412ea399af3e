"""What was sent against everything that came back: one line a payment, one a stray reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paysvc.core.columns import BOOKED, Columns, EntryColumns, SentColumns, StatusColumns, concatenate, no_entries
from paysvc.core.join import Keys
from paysvc.core.messages import GroupStatus
from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8, concatenate_text
from paysvc.core.verdicts import KINDS, OUTCOMES, REJECTED, Tally, first_text, judge, kinds_of, totals_by_outcome
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND
from paysvc.domain.reconciliation import BETWEEN_FILES, DiscrepancyKind, Outcome

_LINES_AT_ONCE = 50_000
_JUDGED_AT_ONCE = 1_000_000

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
    """All that was sent, and other names of some of it: the payment in row `rows[i]` has the InstrId
    `instruction_id[i]`, which is not its EndToEndId."""

    payments: SentColumns
    rows: Int64
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

    `lines` are in the order of their EndToEndIds, stray references after them. They are put
    together when somebody asks for them, some at a time.
    """

    outcomes: dict[Outcome, tuple[int, int]]
    discrepancies: dict[DiscrepancyKind, int]
    _judged: _Judged
    _strays: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(self.iter_lines())

    def iter_lines(self) -> Iterator[Line]:
        """The lines one by one; never all of them as objects."""
        order = self._judged.payments.end_to_end_id.order()
        for begin in range(0, len(order), _LINES_AT_ONCE):
            lines = self._judged.lines(order[begin : begin + _LINES_AT_ONCE])
            for reference, outcome, *figures, discrepancy in lines.to_tuples():
                yield Line._make((reference, _OUTCOMES[outcome], *figures, _NAMED[discrepancy]))
        yield from self._strays


class Comparing:
    """What was sent held against what came back, piece by piece, by the rule of `domain.reconciliation`.

    The order of pieces, and of rows in them, changes nothing.
    """

    def __init__(self, sent: Sent, keys: Keys) -> None:
        """`keys` are the payments' EndToEndIds."""
        self._sent = sent
        self._keys = keys
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
        judged = _Judged(payments, self._tally, _refusals(payments, statuses, groups, at_statuses))
        strays = _stray_lines(concatenate(self._unknown), statuses, at_statuses)
        counts = {kind: judged.discrepancies.get(kind, len(strays)) for kind in BETWEEN_FILES}
        return Comparison(judged.totals, counts, judged, tuple(strays))

    def _find(self, references: TextColumn) -> Int64:
        """The payment of each reference: by EndToEndId, else by an InstrId that only one payment has."""
        positions = self._keys.find(references)
        missed = np.flatnonzero(positions < 0)
        if len(missed) and len(self._sent.rows):
            if self._by_instruction_id is None:
                ids = self._sent.instruction_id.to_bytes_list()
                often = Counter(ids)
                named = zip(ids, self._sent.rows.tolist(), strict=True)
                self._by_instruction_id = {one: row for one, row in named if often[one] == 1}
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
    """Per payment: whether the bank refused it, and where in `texts` the reason and the reference of
    its report stand (−1 where it gave none)."""

    refused: Bool
    texts: TextColumn
    reason_at: Int64
    reference_at: Int64


def _refusals(
    payments: SentColumns, statuses: StatusColumns, groups: Sequence[GroupStatus], positions: Int64
) -> _Refusals:
    """Refusals of payments, blocks and files: the closest word gives the reason, of equals the smallest."""
    count, said = len(payments), len(statuses)
    refused = np.zeros(count, dtype=np.bool_)
    refusing = [group for group in groups if group.status in REFUSALS]
    if not said and not refusing:
        # Without any word of a bank nothing is kept for each payment.
        nowhere = np.broadcast_to(np.int64(-1), count)
        return _Refusals(refused, TextColumn.of([]), nowhere, nowhere)
    is_known = positions >= 0
    rows = np.flatnonzero(is_known & statuses.status.is_in(REFUSALS))
    refused[positions[rows]] = True
    reason_at = first_text(statuses.reason_code, rows, positions[rows], count)
    rows = np.flatnonzero(is_known)
    reference_at = first_text(statuses.bank_reference, rows, positions[rows], count)
    reference_at[reference_at >= 0] += said
    refusing.sort(key=lambda one: (one.payment_information_id is None, one.reason_code))
    for at, group in enumerate(refusing, 2 * said):
        meant = rows_of(group, payments)
        refused[meant] = True
        if group.reason_code:
            reason_at[meant[reason_at[meant] < 0]] = at
    reasons = TextColumn.of([group.reason_code for group in refusing])
    texts = concatenate_text([statuses.reason_code, statuses.bank_reference, reasons])
    return _Refusals(refused, texts, reason_at, reference_at)


class _Judged:
    """The verdict on every payment. What it rests on stays where it was added up, and is put
    together for the rows that somebody looks at: all of it at once would be as much again."""

    def __init__(self, payments: SentColumns, tally: Tally, refusals: _Refusals) -> None:
        self.payments, self._tally, self._refusals = payments, tally, refusals
        self._outcomes, self._kinds = (np.empty(len(payments), np.uint8) for _ in range(2))
        #: Number of payments and đồng sent of each outcome, and number of payments with each kind of `KINDS`.
        self.totals = dict.fromkeys(OUTCOMES, (0, 0))
        self.discrepancies = dict.fromkeys(KINDS, 0)
        for begin in range(0, len(payments), _JUDGED_AT_ONCE):
            end = min(begin + _JUDGED_AT_ONCE, len(payments))
            outcomes, kinds = judge(tally.of(range(begin, end)), refusals.refused[begin:end])
            self._outcomes[begin:end], self._kinds[begin:end] = outcomes, kinds
            for outcome, (count, amount) in totals_by_outcome(outcomes, payments.amount_vnd[begin:end]).items():
                before = self.totals[outcome]
                self.totals[outcome] = (before[0] + count, before[1] + amount)
            for kind, flags in kinds_of(kinds).items():
                self.discrepancies[kind] += int(flags.sum())

    def lines(self, rows: Int64) -> LineColumns:
        """The lines of these payments, in this order."""
        refusals, booked, outcomes = self._refusals, self._tally.of(rows), self._outcomes[rows]
        reasons = refusals.texts.pick(np.where(outcomes == REJECTED, refusals.reason_at[rows], -1))
        return LineColumns(
            end_to_end_id=self.payments.end_to_end_id.take(rows),
            outcome=outcomes,
            amount_sent_vnd=self.payments.amount_vnd[rows],
            amount_settled_vnd=booked.debited_vnd,
            amount_returned_vnd=booked.credited_vnd,
            reason_code=booked.reason_code.or_else(reasons),
            bank_reference=booked.bank_reference.or_else(refusals.texts.pick(refusals.reference_at[rows])),
            discrepancy=self._kinds[rows],
        )


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
