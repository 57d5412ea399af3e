"""What the ledger says to those who compare: totals per outcome, and one row per payment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bank_adapters.mock_bank.ledger import Ledger, LedgerBroken

#: Booked debits and credits of every payment received, and what they amount to.
_OUTCOMES = """
SELECT p.end_to_end_id, p.amount, COALESCE(b.debits, 0) AS debits, COALESCE(b.credits, 0) AS credits,
  CASE WHEN b.debits > b.credits THEN 'paid' WHEN b.debits > 0 THEN 'returned'
       WHEN p.state = 'rejected' THEN 'rejected' ELSE 'outstanding' END AS outcome
FROM payment p LEFT JOIN (
  SELECT payment_id, SUM(is_debit * amount) AS debits, SUM((1 - is_debit) * amount) AS credits
  FROM booking WHERE payment_id IS NOT NULL GROUP BY payment_id) b ON b.payment_id = p.id
"""


def ledger_figures(ledger: Ledger) -> dict[str, Any]:
    """The whole ledger as JSON: amounts in đồng; `amount_vnd` of a payment is what was asked for.

    `debits_vnd` and `credits_vnd` beside it are what was booked. `integrity` is `ok` or says
    what is broken, which no sequence of requests may ever bring about.
    """
    payments = {
        outcome: {"count": 0, "amount_vnd": 0, "debits_vnd": 0, "credits_vnd": 0}
        for outcome in ("received", "paid", "rejected", "returned", "outstanding")
    }
    grouped = f"SELECT outcome, COUNT(*), SUM(amount), SUM(debits), SUM(credits) FROM ({_OUTCOMES}) GROUP BY outcome"  # noqa: S608 (our own text)
    for outcome, *figures in ledger.rows(grouped):
        payments[outcome] = dict(zip(payments[outcome], figures, strict=True))
        for name, figure in payments[outcome].items():
            payments["received"][name] += figure
    return {
        "account": ledger.fact("account"),
        "date": ledger.fact("closed_day"),
        "opening_vnd": ledger.figure("SELECT amount FROM booking WHERE kind = 'opening'"),
        "closing_vnd": ledger.balance(),
        "payments": payments,
        "duplicates": _booked(ledger, "second_debit"),
        "strays": _booked(ledger, "stray"),
        "unsolicited": _booked(ledger, "unsolicited"),
        "credits_without_debit": _booked(ledger, "orphan"),
        "messages": {
            state: {"count": count, "payments": held}
            for state, count, held in ledger.rows(
                "SELECT state, COUNT(*), SUM(payments) FROM message GROUP BY state ORDER BY state"
            )
        },
        "statements": ledger.figure("SELECT COUNT(*) FROM statement"),
        "accounts": dict(ledger.rows("SELECT account, SUM(amount) FROM posting GROUP BY account")),
        "integrity": _integrity(ledger),
    }


def payments_csv(ledger: Ledger) -> Iterator[str]:
    """Lines (CRLF) of `end_to_end_id,amount_vnd,debits_vnd,credits_vnd,outcome`, as received."""
    yield "end_to_end_id,amount_vnd,debits_vnd,credits_vnd,outcome\r\n"
    for reference, *rest in ledger.each(f"{_OUTCOMES} ORDER BY p.id"):
        name = reference if reference.isalnum() else '"' + reference.replace('"', '""') + '"'
        yield ",".join((name, *map(str, rest))) + "\r\n"


def _booked(ledger: Ledger, kind: str) -> dict[str, int]:
    count, amount = ledger.rows("SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM booking WHERE kind = ?", kind)[0]
    return {"count": count, "amount_vnd": amount}


def _integrity(ledger: Ledger) -> str:
    try:
        ledger.check()
    except LedgerBroken as fault:
        return str(fault)
    if ledger.figure("SELECT SUM(amount) FROM posting"):
        return "the accounts do not sum to zero"
    gaps = ledger.figure(
        "SELECT COUNT(*) FROM statement s JOIN statement t ON t.sequence = s.sequence + 1 WHERE t.opening <> s.closing"
    )
    if gaps:
        return f"{gaps} statements do not open with what the one before closed with"
    unproved = ledger.figure(
        "SELECT COUNT(*) FROM statement s WHERE closing - opening <> (SELECT COALESCE(SUM(CASE is_debit WHEN 1 THEN "
        "-amount ELSE amount END), 0) FROM booking b WHERE b.id BETWEEN s.first_booking AND s.last_booking)"
    )
    return f"{unproved} statements do not agree with their bookings" if unproved else "ok"
