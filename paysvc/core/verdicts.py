"""Entries against instructions, in columns: what was booked under each, and what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paysvc.core.columns import BOOKED, Bool, Columns, EntryColumns, Int64, SentColumns, TextColumn, UInt8
from paysvc.core.proof import exact_sum
from paysvc.domain.money import MAX_TOTAL_VND
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome

#: What an outcome code stands for.
OUTCOMES = (Outcome.OUTSTANDING, Outcome.SETTLED, Outcome.RETURNED, Outcome.REJECTED, Outcome.UNKNOWN)
OUTSTANDING, SETTLED, RETURNED, REJECTED, UNKNOWN = (np.uint8(code) for code in range(len(OUTCOMES)))

_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class TallyColumns(Columns):
    """What is booked under each instruction: one row an instruction, in the order of what was sent.

    Counts take every booked entry; sums only those in the instruction's currency (đồng).
    `reason_code` is the first, in byte order, of the return reasons given under the
    instruction; `bank_reference` the first in byte order of the debits' references, or of
    the credits' where no debit has one: neither depends on the order of entries.
    """

    debit_count: Int64
    debited_vnd: Int64
    credit_count: Int64
    credited_vnd: Int64
    amount_differs: Bool
    currency_differs: Bool
    reason_code: TextColumn
    bank_reference: TextColumn


def tally(sent: SentColumns, entries: EntryColumns, positions: Int64) -> TallyColumns:
    """Add up the booked entries under each instruction; the order of entries does not matter.

    `positions` holds for each entry its row in `sent`, or −1. Raises ValueError when the
    lengths differ, a position is not a row of `sent`, or the amounts pass `MAX_TOTAL_VND`.
    """
    if len(positions) != len(entries) or (len(positions) and int(positions.max()) >= len(sent)):
        raise ValueError("positions do not belong to these entries and instructions")
    rows = np.flatnonzero((entries.status == BOOKED) & (positions > _NOWHERE))
    at = positions[rows]
    amounts, is_debit = entries.amount_vnd[rows], entries.is_debit[rows]
    if exact_sum(amounts) > MAX_TOTAL_VND:
        raise ValueError("the entries' amounts are beyond every ledger")
    foreign = ~entries.currency.take(rows).is_same(sent.currency.take(at))
    count = len(sent)
    of_debits = _first_text(entries.bank_reference, rows[is_debit], at[is_debit], count)
    of_credits = _first_text(entries.bank_reference, rows[~is_debit], at[~is_debit], count)
    return TallyColumns(
        debit_count=np.bincount(at[is_debit], minlength=count).astype(np.int64),
        debited_vnd=_sum_at(at, amounts, is_debit & ~foreign, count),
        credit_count=np.bincount(at[~is_debit], minlength=count).astype(np.int64),
        credited_vnd=_sum_at(at, amounts, ~is_debit & ~foreign, count),
        amount_differs=_any_at(at[~foreign & (amounts != sent.amount_vnd[at])], count),
        currency_differs=_any_at(at[foreign], count),
        reason_code=entries.reason_code.pick(_first_text(entries.reason_code, rows, at, count)),
        bank_reference=entries.bank_reference.pick(np.where(of_debits >= 0, of_debits, of_credits)),
    )


def decide(tally: TallyColumns, refused: Bool) -> UInt8:
    """The outcome code of each instruction (index into `OUTCOMES`), by `domain.reconciliation`.

    `refused` says of each instruction whether the bank refused it. Never gives UNKNOWN, which
    is about sending. Where an entry in another currency is booked and the sums leave nothing
    settled, the numbers of debits and credits decide.
    """
    net = tally.debited_vnd - tally.credited_vnd
    by_count = np.where(tally.currency_differs & (net <= 0), tally.debit_count - tally.credit_count, net)
    is_booked = (tally.debit_count + tally.credit_count) > 0
    outcomes = np.full(len(tally), OUTSTANDING, dtype=np.uint8)
    outcomes[refused & ~is_booked] = REJECTED
    outcomes[(tally.debit_count > 0) & (by_count == 0)] = RETURNED
    outcomes[is_booked & (by_count > 0)] = SETTLED
    return outcomes


def discrepancies(tally: TallyColumns) -> dict[DiscrepancyKind, Bool]:
    """For each kind, which instructions have it; `UNKNOWN_REFERENCE` is not about instructions."""
    more_back_than_out = (tally.credited_vnd > tally.debited_vnd) & (tally.debit_count > 0) & ~tally.currency_differs
    return {
        DiscrepancyKind.AMOUNT_MISMATCH: tally.amount_differs | more_back_than_out,
        DiscrepancyKind.CURRENCY_MISMATCH: tally.currency_differs,
        DiscrepancyKind.DUPLICATE_SETTLEMENT: tally.debit_count >= 2,
        DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT: (tally.credit_count > 0) & (tally.debit_count == 0),
    }


def totals_by_outcome(outcomes: UInt8, amount_vnd: Int64) -> dict[Outcome, tuple[int, int]]:
    """How many instructions, and how many đồng sent, have each outcome; every outcome is named."""
    return {
        outcome: (int((outcomes == code).sum()), exact_sum(amount_vnd[outcomes == code]))
        for code, outcome in enumerate(OUTCOMES)
    }


def _sum_at(at: Int64, amounts: Int64, chosen: Bool, count: int) -> Int64:
    """Integer sums per row; `bincount` with weights would go through floating point."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, at[chosen], amounts[chosen])
    return sums


def _any_at(at: Int64, count: int) -> Bool:
    found = np.zeros(count, dtype=np.bool_)
    found[at] = True
    return found


def _first_text(column: TextColumn, rows: Int64, at: Int64, count: int) -> Int64:
    """Per instruction the row of its smallest text (in byte order) that is not empty, else −1."""
    has_text = column.offsets[rows + 1] > column.offsets[rows]
    rows, at = rows[has_text], at[has_text]
    chosen = np.full(count, _NOWHERE, dtype=np.int64)
    chosen[at] = rows
    several = np.flatnonzero(np.bincount(at, minlength=count)[at] > 1)
    if len(several):
        # One text an instruction is the rule; only the others have to be compared.
        texts = column.take(rows[several]).to_bytes_list()
        places = zip(texts, rows[several].tolist(), at[several].tolist(), strict=True)
        for _, row, to in sorted(places, reverse=True):
            chosen[to] = row
    return chosen
