"""A banking day's bookings: what is due, what comes back, and what was never asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256

from bank_adapters.mock_bank import banking_days
from bank_adapters.mock_bank.ledger import Booking
from bank_adapters.mock_bank.office import Office
from bank_adapters.mock_bank.picks import Picks

#: What a late return says when the payment was to be a good one: the holder had died.
_LATE_REASON = "MD07"


def book_day(office: Office, day: date) -> int:
    """Book everything of one banking day; the number of its first booking."""
    ledger, today = office.ledger, day.isoformat()
    picks = Picks(office.misbehaviour)
    first = ledger.next_number("booking")
    ledger.write(
        "UPDATE payment SET state = 'rejected', decided_day = ?1 "
        "WHERE state = 'accepted' AND due_day <= ?1 AND will_reject",
        today,
    )
    if picks.any:
        _settle_rejected(office, today, picks)
        _bend(office, day, picks)
    _promise_returns(office, day)
    ledger.book_due(today)
    ledger.book(today, _returns(office, today))
    # Posted before the extras, which may spend only what is left then.
    ledger.post(first)
    extras = ledger.next_number("booking")
    ledger.book(today, list(_extras(office, day, picks)))
    ledger.post(extras)
    picks.settle()
    return first


def _settle_rejected(office: Office, today: str, picks: Picks) -> None:
    """Payments that were rejected on an earlier day are paid after all, as far as the money goes."""
    ledger = office.ledger
    spare = ledger.balance() - ledger.figure("SELECT SUM(amount) FROM payment WHERE state = 'accepted'")
    for number, name, amount in ledger.rows(
        "SELECT id, end_to_end_id, amount FROM payment WHERE state = 'rejected' AND amount > 0 AND decided_day < ?"
        " ORDER BY id",
        today,
    ):
        if amount <= spare and picks.takes("settle_rejected", name):
            spare -= amount
            ledger.write(
                "UPDATE payment SET state = 'accepted', will_reject = 0, due_day = ? WHERE id = ?", today, number
            )


def _bend(office: Office, day: date, picks: Picks) -> None:
    """Mark the due payments that the bank was told to treat wrongly."""
    today, next_day = day.isoformat(), banking_days.after(day, 1).isoformat()
    changes: list[tuple[int | None, str | None, str | None, int]] = []
    for number, name, amount, fate_days in office.ledger.rows(
        "SELECT id, end_to_end_id, amount, return_after FROM payment "
        "WHERE state = 'accepted' AND due_day <= ? ORDER BY id",
        today,
    ):
        is_plain = fate_days is None
        if picks.takes("pending", name, is_plain=is_plain):
            office.ledger.write("UPDATE payment SET pending_day = ?, due_day = ? WHERE id = ?", today, next_day, number)
        elif picks.takes("wrong_amount", name, is_plain=is_plain):
            changes.append((amount - amount // 10 if amount > 9 else amount + 1, None, None, number))
        elif picks.takes("wrong_currency", name, is_plain=is_plain):
            changes.append((None, "USD", None, number))
        elif picks.takes("late_returns", name, is_plain=is_plain):
            changes.append((None, None, _late(office, day, 0), number))
        elif picks.takes("debit_twice", name, is_plain=is_plain):
            picks.second_debits.append(Booking("second_debit", number, amount))
    office.ledger.write_many(
        "UPDATE payment SET booked_amount = ?, shown_currency = ?, return_day = ?, batch = NULL WHERE id = ?", changes
    )
    office.ledger.write(
        "UPDATE payment SET reason = ?, return_after = NULL WHERE return_day IS NOT NULL AND state = 'accepted'",
        _LATE_REASON,
    )


def _promise_returns(office: Office, day: date) -> None:
    """Fix the day on which each due payment that is fated to come back will do so."""
    rows = office.ledger.rows(
        "SELECT return_after, is_late, id FROM payment "
        "WHERE state = 'accepted' AND due_day <= ? AND return_after IS NOT NULL",
        day.isoformat(),
    )
    days = [
        (_late(office, day, wait) if is_late else banking_days.after(day, wait).isoformat(), number)
        for wait, is_late, number in rows
    ]
    office.ledger.write_many("UPDATE payment SET return_day = ? WHERE id = ?", days)


def _late(office: Office, day: date, more_days: int) -> str:
    wait = timedelta(days=office.misbehaviour.value("late_after_days") + more_days)
    return max(banking_days.on_or_after(day + wait), banking_days.after(day, 1)).isoformat()


def _returns(office: Office, today: str) -> list[Booking]:
    rows = office.ledger.rows(
        "SELECT id, COALESCE(booked_amount, amount), reason FROM payment "
        "WHERE state = 'booked' AND return_day <= ? ORDER BY id",
        today,
    )
    office.ledger.write("UPDATE payment SET state = 'returned' WHERE state = 'booked' AND return_day <= ?", today)
    return [Booking("return", number, amount, reason=reason) for number, amount, reason in rows]


def _extras(office: Office, day: date, picks: Picks) -> Iterator[Booking]:
    """What nobody ordered. Debits only from money that no accepted payment waits for."""
    ledger, today = office.ledger, day.isoformat()
    for name, number in _earlier(office, picks, "late_returns"):
        picks.found("late_returns", name)
        ledger.write(
            "UPDATE payment SET return_day = ?, reason = ? WHERE id = ?", _late(office, day, 0), _LATE_REASON, number
        )
    debits = picks.second_debits
    for name, number in _earlier(office, picks, "debit_twice"):
        picks.found("debit_twice", name)
        amount = ledger.figure("SELECT COALESCE(booked_amount, amount) FROM payment WHERE id = ?", number)
        debits.append(Booking("second_debit", number, amount))
    debits += [_stranger(office, "stray", today, number) for number in range(picks.number("strays"))]
    spare = ledger.balance() - ledger.figure("SELECT SUM(amount) FROM payment WHERE state = 'accepted'")
    for debit in debits:
        if debit.amount <= spare:
            spare -= debit.amount
            yield debit
    for number in range(picks.number("unsolicited_credits")):
        yield _stranger(office, "unsolicited", today, number)._replace(reference="NOTPROVIDED")
    for (amount,) in ledger.rows(
        "SELECT amount FROM booking WHERE kind = 'stray' ORDER BY id DESC LIMIT ?", picks.number("stray_reversals")
    ):
        yield Booking("unsolicited", None, amount, reference="NOTPROVIDED")
    yield from _orphans(office, picks)


def _orphans(office: Office, picks: Picks) -> Iterator[Booking]:
    """Credits under references of payments that were rejected, so never debited."""
    rejected = []
    for name, found in _earlier(office, picks, "credit_without_debit", state="rejected"):
        picks.found("credit_without_debit", name)
        rejected.append(found)
    rejected += [
        row[0]
        for row in office.ledger.rows(
            "SELECT id FROM payment WHERE state = 'rejected' AND amount > 0 AND id NOT IN "
            "(SELECT payment_id FROM booking WHERE kind = 'orphan') ORDER BY id LIMIT ?",
            picks.number("credit_without_debit"),
        )
    ]
    for number in rejected:
        amount, reason = office.ledger.rows("SELECT amount, reason FROM payment WHERE id = ?", number)[0]
        yield Booking("orphan", number, amount, reason=reason)


def _earlier(office: Office, picks: Picks, name: str, state: str = "booked") -> list[tuple[str, int]]:
    """The payments asked for by their ids that are in that state by now: id and number."""
    found = []
    for end_to_end_id in picks.named(name):
        rows = office.ledger.rows(
            "SELECT id FROM payment WHERE end_to_end_id = ? AND state = ? ORDER BY id LIMIT 1", end_to_end_id, state
        )
        found += [(end_to_end_id, int(rows[0][0]))] if rows else []
    return found


def _stranger(office: Office, kind: str, today: str, number: int) -> Booking:
    """A movement under a reference that looks like the payer's and is not."""
    digest = sha256(f"{office.seed}|{kind}|{today}|{number}".encode()).hexdigest().upper()
    return Booking(kind, None, 100_000 + int(digest[-4:], 16) % 900 * 1000, reference=f"P{digest[:15]}")
