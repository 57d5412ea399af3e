"""Entries against instructions, in columns: what was booked under each, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from paysvc.core.columns import BOOKED, Columns, EntryColumns, SentColumns, concatenate, no_entries
from paysvc.core.join import WORTH_A_KERNEL
from paysvc.core.proof import exact_sum, exact_sums
from paysvc.core.text_column import Bool, Int32, Int64, TextColumn, UInt8
from paysvc.domain.money import MAX_TOTAL_VND
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome

#: What an outcome code stands for.
OUTCOMES = (Outcome.OUTSTANDING, Outcome.SETTLED, Outcome.RETURNED, Outcome.REJECTED, Outcome.UNKNOWN)
OUTSTANDING, SETTLED, RETURNED, REJECTED, UNKNOWN = (np.uint8(code) for code in range(len(OUTCOMES)))

#: What a bit of a row's discrepancies stands for, from the lowest.
KINDS = (
    DiscrepancyKind.AMOUNT_MISMATCH,
    DiscrepancyKind.CURRENCY_MISMATCH,
    DiscrepancyKind.DUPLICATE_SETTLEMENT,
    DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT,
)

_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class TallyColumns(Columns):
    """What is booked under each instruction: one row an instruction, in the order of what was sent.

    Counts take every booked entry; sums only those in the instruction's currency (đồng).
    `reason_code` is the first, in byte order, of the return reasons given under the
    instruction; `bank_reference` the first in byte order of the debits' references, or of
    the credits' where no debit has one: neither depends on the order of entries.
    """

    debit_count: Int32
    debited_vnd: Int64
    credit_count: Int32
    credited_vnd: Int64
    amount_differs: Bool
    currency_differs: Bool
    reason_code: TextColumn
    bank_reference: TextColumn


class Tally:
    """Booked entries added up under each instruction, piece by piece; their order does not matter."""

    def __init__(self, sent: SentColumns) -> None:
        self._count = len(sent)
        self._booked: _Booked
        if len(sent) >= WORTH_A_KERNEL:
            # Only who reconciles many pays for loading the kernels.
            from paysvc.core.tally_kernels import Rows

            self._booked = Rows(sent)
        else:
            self._booked = _PlainRows(sent)

    def add(self, entries: EntryColumns, positions: Int64) -> None:
        """Add some entries; `positions` holds for each its row in what was sent, or −1.

        Raises ValueError when the lengths differ, a position is not a row of what was sent, or
        the amounts pass `MAX_TOTAL_VND`.
        """
        if len(positions) != len(entries) or (len(positions) and int(positions.max()) >= self._count):
            raise ValueError("positions do not belong to these entries and instructions")
        self._booked.add(entries, positions)
        if self._booked.total > MAX_TOTAL_VND:
            raise ValueError("the entries' amounts are beyond every ledger")

    def of(self, rows: Int64 | range) -> TallyColumns:
        """What is booked so far under these instructions (a range has no steps), in this order."""
        return TallyColumns(*self._booked.of(rows))

    def columns(self) -> TallyColumns:
        """What is booked so far under each."""
        return self.of(range(self._count))


def tally(sent: SentColumns, entries: EntryColumns, positions: Int64) -> TallyColumns:
    """`Tally` of entries that are all at hand; raises what `Tally.add` raises."""
    found = Tally(sent)
    found.add(entries, positions)
    return found.columns()


def decide(tally: TallyColumns, refused: Bool) -> UInt8:
    """The outcome code of each instruction (index into `OUTCOMES`), by `domain.reconciliation`.

    `refused` says of each instruction whether the bank refused it. Never gives UNKNOWN, which
    is about sending. Where an entry in another currency is booked and the sums leave nothing
    settled, the numbers of debits and credits decide.
    """
    return judge(tally, refused)[0]


def discrepancies(tally: TallyColumns) -> dict[DiscrepancyKind, Bool]:
    """For each kind, which instructions have it; `UNKNOWN_REFERENCE` is not about instructions."""
    return kinds_of(judge(tally, np.zeros(len(tally), np.bool_))[1])


def judge(tally: TallyColumns, refused: Bool) -> tuple[UInt8, UInt8]:
    """The outcome code of each instruction as `decide` gives it, and its discrepancies as bits (`KINDS`)."""
    if len(tally) < WORTH_A_KERNEL:
        return _judge(tally, refused)
    from paysvc.core import tally_kernels

    return tally_kernels.judge(tuple(tally.columns()[:6]), refused)


def kinds_of(bits: UInt8) -> dict[DiscrepancyKind, Bool]:
    """For each kind of `KINDS`, which rows have its bit."""
    return {kind: (bits & (1 << at)).astype(np.bool_) for at, kind in enumerate(KINDS)}


def totals_by_outcome(outcomes: UInt8, amount_vnd: Int64) -> dict[Outcome, tuple[int, int]]:
    """How many instructions, and how many đồng sent, have each outcome; every outcome is named."""
    (only,) = totals_by_group(outcomes, amount_vnd, np.zeros(len(outcomes), np.int32), 1)
    return only


def totals_by_group(
    outcomes: UInt8, amount_vnd: Int64, groups: Int32, count: int
) -> list[dict[Outcome, tuple[int, int]]]:
    """`totals_by_outcome` of each group (0 to `count` − 1, int32 a row), of a bank and programme, say."""
    if len(outcomes) < WORTH_A_KERNEL:
        codes = groups.astype(np.int64) * len(OUTCOMES) + outcomes
        numbers = np.bincount(codes, minlength=count * len(OUTCOMES)).reshape(count, -1).tolist()
        flat = exact_sums(amount_vnd, codes, count * len(OUTCOMES))
        sums = [flat[at : at + len(OUTCOMES)] for at in range(0, len(flat), len(OUTCOMES))]
    else:
        from paysvc.core import tally_kernels

        numbers, sums = tally_kernels.totals(outcomes, amount_vnd, groups, (count, len(OUTCOMES)))
    return [dict(zip(OUTCOMES, zip(*rows, strict=True), strict=True)) for rows in zip(numbers, sums, strict=True)]


class _Booked(Protocol):
    """Where entries are added up; `total` is the exact sum of their amounts."""

    total: int

    def add(self, entries: EntryColumns, positions: Int64) -> None: ...

    def of(self, rows: Int64 | range) -> tuple[Any, ...]: ...


class _PlainRows:
    """With whole columns, all at once in the end: the reference that the kernels are held against."""

    def __init__(self, sent: SentColumns) -> None:
        self._sent = sent
        self._pieces = [(no_entries(), np.zeros(0, np.int64))]
        self.total = 0

    def add(self, entries: EntryColumns, positions: Int64) -> None:
        rows = np.flatnonzero((entries.status == BOOKED) & (positions > _NOWHERE))
        self._pieces.append((entries.take(rows), positions[rows]))
        self.total += exact_sum(entries.amount_vnd[rows])

    def of(self, rows: Int64 | range) -> tuple[Any, ...]:
        return tuple(self._all().take(np.asarray(rows, dtype=np.int64)).columns())

    def _all(self) -> TallyColumns:
        sent, count = self._sent, len(self._sent)
        entries = concatenate([piece for piece, _ in self._pieces])
        at = np.concatenate([positions for _, positions in self._pieces])
        amounts, is_debit = entries.amount_vnd, entries.is_debit
        foreign = ~entries.currency.is_same(sent.currency.take(at).to_text())
        rows = np.arange(len(at))
        of_debits = first_text(entries.bank_reference, rows[is_debit], at[is_debit], count)
        of_credits = first_text(entries.bank_reference, rows[~is_debit], at[~is_debit], count)
        return TallyColumns(
            np.bincount(at[is_debit], minlength=count).astype(np.int32),
            _sum_at(at, amounts, is_debit & ~foreign, count),
            np.bincount(at[~is_debit], minlength=count).astype(np.int32),
            _sum_at(at, amounts, ~is_debit & ~foreign, count),
            _any_at(at[~foreign & (amounts != sent.amount_vnd[at])], count),
            _any_at(at[foreign], count),
            entries.reason_code.pick(first_text(entries.reason_code, rows, at, count)),
            entries.bank_reference.pick(np.where(of_debits >= 0, of_debits, of_credits)),
        )


def _judge(tally: TallyColumns, refused: Bool) -> tuple[UInt8, UInt8]:
    net = tally.debited_vnd - tally.credited_vnd
    by_count = np.where(tally.currency_differs & (net <= 0), tally.debit_count - tally.credit_count, net)
    is_booked = (tally.debit_count + tally.credit_count) > 0
    outcomes = np.full(len(tally), OUTSTANDING, dtype=np.uint8)
    outcomes[refused & ~is_booked] = REJECTED
    outcomes[(tally.debit_count > 0) & (by_count == 0)] = RETURNED
    outcomes[is_booked & (by_count > 0)] = SETTLED
    more_back_than_out = (net < 0) & (tally.debit_count > 0) & ~tally.currency_differs
    found = {
        DiscrepancyKind.AMOUNT_MISMATCH: tally.amount_differs | more_back_than_out,
        DiscrepancyKind.CURRENCY_MISMATCH: tally.currency_differs,
        DiscrepancyKind.DUPLICATE_SETTLEMENT: tally.debit_count >= 2,
        DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT: (tally.credit_count > 0) & (tally.debit_count == 0),
    }
    kinds = np.zeros(len(tally), dtype=np.uint8)
    for at, kind in enumerate(KINDS):
        kinds[found[kind]] |= np.uint8(1 << at)
    return outcomes, kinds


def _sum_at(at: Int64, amounts: Int64, chosen: Bool, count: int) -> Int64:
    """Integer sums per row; `bincount` with weights would go through floating point."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, at[chosen], amounts[chosen])
    return sums


def _any_at(at: Int64, count: int) -> Bool:
    found = np.zeros(count, dtype=np.bool_)
    found[at] = True
    return found


def first_text(column: TextColumn, rows: Int64, at: Int64, count: int) -> Int64:
    """Per instruction (of `count`) the row of its smallest text (in byte order) that is not empty, else −1.

    `rows` are the rows of `column` to look at, and `at` for each of them its instruction.
    """
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
