"""What was sent against everything that came back: one line a payment, one a stray reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paysvc.core.columns import BOOKED, Bool, EntryColumns, Int64, SentColumns, StatusColumns, TextColumn, UInt8
from paysvc.core.join import find_positions
from paysvc.core.messages import GroupStatus
from paysvc.core.verdicts import OUTCOMES, REJECTED, TallyColumns, decide, discrepancies, tally, totals_by_outcome
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome


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
class CameBack:
    """All that came back and is believed: entries, statuses, and words about files and blocks."""

    entries: EntryColumns
    statuses: StatusColumns
    groups: tuple[GroupStatus, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures and lines; `outcomes` holds (number, đồng sent) of each.

    `lines` are in the order of their EndToEndIds, stray references after them.
    """

    outcomes: dict[Outcome, tuple[int, int]]
    discrepancies: dict[DiscrepancyKind, int]
    lines: tuple[Line, ...]


def compare(sent: Sent, back: CameBack) -> Comparison:
    """Hold both against each other, by the rule of `domain.reconciliation`.

    The order of rows on either side changes nothing. Raises ValueError when an EndToEndId was
    sent twice, or amounts pass what a ledger holds.
    """
    at_entries = _find(back.entries.reference, sent)
    at_statuses = _find(back.statuses.reference, sent)
    booked = tally(sent.payments, back.entries, at_entries)
    refusals = _refusals(sent, back, at_statuses)
    outcomes = decide(booked, refusals.refused)
    flags = discrepancies(booked)
    strays = _stray_lines(back, at_entries, at_statuses)
    counts = {kind: int(flags[kind].sum()) if kind in flags else len(strays) for kind in DiscrepancyKind}
    known = _known_lines(sent.payments, booked, outcomes, refusals, flags)
    return Comparison(
        outcomes=totals_by_outcome(outcomes, sent.payments.amount_vnd),
        discrepancies=counts,
        lines=(*sorted(known), *strays),
    )


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
    reason_code: list[str]
    bank_reference: list[str]


def _find(references: TextColumn, sent: Sent) -> Int64:
    """The payment of each reference: by EndToEndId, else by an InstrId that only one payment has."""
    positions = find_positions(sent.payments.end_to_end_id, references)
    missed = np.flatnonzero(positions < 0).tolist()
    if not missed or not len(sent.instruction_id.data):
        return positions
    ids = sent.instruction_id.to_bytes_list()
    often = Counter(ids)
    rows = {one: row for row, one in enumerate(ids) if one and often[one] == 1}
    values = references.to_bytes_list()
    for at in missed:
        positions[at] = rows.get(values[at], -1)
    return positions


def _refusals(sent: Sent, back: CameBack, positions: Int64) -> _Refusals:
    """Refusals of payments, blocks and files: the closest word gives the reason, of equals the smallest."""
    count = len(sent.payments)
    refused = np.zeros(count, dtype=np.bool_)
    reasons, references = [""] * count, [""] * count
    statuses = back.statuses
    for row, status, reason, reference in zip(
        positions.tolist(),
        statuses.status.to_list(),
        statuses.reason_code.to_list(),
        statuses.bank_reference.to_list(),
        strict=True,
    ):
        if row < 0:
            continue
        references[row] = _smallest((references[row], reference))
        if status in REFUSALS:
            refused[row] = True
            reasons[row] = _smallest((reasons[row], reason))
    groups = [group for group in back.groups if group.status in REFUSALS]
    for group in sorted(groups, key=lambda one: (one.payment_information_id is None, one.reason_code)):
        for row in rows_of(group, sent.payments).tolist():
            refused[row] = True
            reasons[row] = reasons[row] or group.reason_code
    return _Refusals(refused, reasons, references)


def _known_lines(
    payments: SentColumns,
    booked: TallyColumns,
    outcomes: UInt8,
    refusals: _Refusals,
    flags: dict[DiscrepancyKind, Bool],
) -> Iterator[Line]:
    reasons = [
        own or (refusal if outcome == REJECTED else "")
        for own, refusal, outcome in zip(booked.reason_code, refusals.reason_code, outcomes.tolist(), strict=True)
    ]
    references = [own or other for own, other in zip(booked.bank_reference, refusals.bank_reference, strict=True)]
    return map(
        Line,
        payments.end_to_end_id.to_list(),
        [str(OUTCOMES[code]) for code in outcomes.tolist()],
        payments.amount_vnd.tolist(),
        booked.debited_vnd.tolist(),
        booked.credited_vnd.tolist(),
        reasons,
        references,
        _named(flags, len(payments)),
    )


def _named(flags: dict[DiscrepancyKind, Bool], count: int) -> list[str]:
    named = [""] * count
    for kind in DiscrepancyKind:
        if kind in flags:
            for row in np.flatnonzero(flags[kind]).tolist():
                named[row] = f"{named[row]}+{kind}" if named[row] else str(kind)
    return named


def _stray_lines(back: CameBack, at_entries: Int64, at_statuses: Int64) -> list[Line]:
    """References that we never sent, each once; a booked entry without any is a line of its own."""
    entries, statuses = back.entries, back.statuses
    seen: dict[str, list[Line]] = {}
    nameless: list[Line] = []
    rows = np.flatnonzero((entries.status == BOOKED) & (at_entries < 0))
    for line in map(_stray_entry, _picked(entries, rows)):
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


def _picked(entries: EntryColumns, rows: Int64) -> Iterator[_Entry]:
    picked = entries.take(rows)
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
