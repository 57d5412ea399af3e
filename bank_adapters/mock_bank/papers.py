"""What the bank tells the payer, before it is written in one dialect or another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bank_adapters.mock_bank.ledger import Ledger, bank_reference
from bank_adapters.mock_bank.read_camt056 import Recall


class StatusLine(NamedTuple):
    """One payment's status. `status` is an ISO 20022 transaction status; `reason` with RJCT."""

    line: int
    end_to_end_id: str
    status: str
    reason: str
    bank_reference: str
    amount: int
    block: str
    decided_on: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The answer to one message. `group_status` is ACCP, PART or RJCT.

    `code` and `reason` are filled when the message is refused whole; `lines` is empty then.
    `count` and `total` are those of the message.
    """

    report_id: str
    day: str
    answers: str
    group_status: str
    code: str
    reason: str
    count: int
    total: int
    lines: list[StatusLine]


class Resolution(NamedTuple):
    """The answer to a request to take payments back: each with "" where it is, else with the reason why not."""

    report_id: str
    day: str
    case_id: str
    answers: list[tuple[Recall, str]]


class StatementLine(NamedTuple):
    """One movement of the account, as a statement shows it."""

    kind: str
    is_debit: bool
    amount: int
    currency: str
    reference: str
    reason: str
    bank_reference: str
    message_id: str
    block: str
    value_date: str
    batch: int | None
    is_booked: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """One account statement. `closing` is what the statement says, which may be a lie.

    `entries`, `debits` and `credits` count and sum (in đồng) what is booked and shown; a batch
    booking is one entry. `pending` counts and sums debits that are shown but not booked.
    """

    statement_id: str
    sequence: int | None
    account: str
    bank: str
    from_day: str
    day: str
    opening: int
    closing: int
    debit_entries: int
    debits: int
    credit_entries: int
    credits: int
    pending_entries: int
    pending: int
    line_count: int
    first_booking: int
    last_booking: int

    def lines(self, ledger: Ledger) -> Iterator[StatementLine]:
        """Booked lines in the order of their booking, then the pending ones."""
        blocks = {
            number: (message_id, name, value_date)
            for number, message_id, name, value_date in ledger.rows(
                "SELECT b.number, m.message_id, b.name, b.value_date "
                "FROM block b JOIN message m ON m.number = b.message"
            )
        }
        own = ("", "", self.day)
        for number, payment, kind, is_debit, amount, currency, reason, batch, reference, block in ledger.each(
            _BOOKED, self.first_booking, self.last_booking
        ):
            message_id, name, value_date = blocks.get(block, own)
            if kind != "debit" or value_date > self.day:
                value_date = self.day
            yield StatementLine(
                kind, bool(is_debit), amount, currency, reference, reason,
                bank_reference(kind, payment or number), message_id, name, value_date, batch, True,
            )  # fmt: skip
        for payment, amount, reference, block in ledger.each(_PENDING, self.day):
            yield StatementLine(
                "debit", True, amount, "VND", reference, "",
                bank_reference("debit", payment), *blocks[block], None, False,
            )  # fmt: skip


_BOOKED = """
SELECT b.id, b.payment_id, b.kind, b.is_debit, b.amount, b.shown_currency, b.reason, b.batch,
  COALESCE(p.end_to_end_id, b.reference), p.block
FROM booking b LEFT JOIN payment p ON p.id = b.payment_id
WHERE b.id BETWEEN ? AND ? ORDER BY b.id
"""
_PENDING = """
SELECT id, amount, end_to_end_id, block FROM payment WHERE pending_day = ? ORDER BY id
"""


def draw_up(ledger: Ledger, day: str, statement_id: str, *, lie: int = 0) -> Statement:
    """The statement of a day that is in the ledger; `lie` is added to its closing balance."""
    sequence, from_day, opening, closing, first, last = ledger.rows(
        "SELECT sequence, from_day, opening, closing, first_booking, last_booking FROM statement WHERE day = ?", day
    )[0]
    sums = {
        bool(is_debit): (entries, total, lines)
        for is_debit, entries, total, lines in ledger.rows(
            "SELECT is_debit, COUNT(DISTINCT COALESCE(-batch, id)), SUM(amount), COUNT(*) FROM booking "
            "WHERE id BETWEEN ? AND ? GROUP BY is_debit",
            first,
            last,
        )
    }
    debit_entries, debits, debit_lines = sums.get(True, (0, 0, 0))
    credit_entries, credited, credit_lines = sums.get(False, (0, 0, 0))
    pending_entries, pending = ledger.rows(
        "SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM payment WHERE pending_day = ?", day
    )[0]
    return Statement(
        statement_id=statement_id,
        sequence=sequence,
        account=ledger.fact("account") or "",
        bank=ledger.fact("bank") or "",
        from_day=from_day,
        day=day,
        opening=opening,
        closing=closing + lie,
        debit_entries=debit_entries,
        debits=debits,
        credit_entries=credit_entries,
        credits=credited,
        pending_entries=pending_entries,
        pending=pending,
        line_count=debit_lines + credit_lines,
        first_booking=first,
        last_booking=last,
    )
