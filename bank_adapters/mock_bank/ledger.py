"""The bank's own books: one SQLite file, double entry, what it tells the payer aside.

Every booking is two postings that sum to zero; `check` proves it before each commit that
books. The ledger is the truth that the payer's side is compared with, so nothing in here
knows of misbehaviour: a debit booked twice *is* booked twice, a statement that lies lies
elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bank_adapters.mock_bank.ledger_schema import SCHEMA

_DEBITS = frozenset({"debit", "second_debit", "stray"})
#: First letter of the bank's own reference, by kind.
_LETTER = {"debit": "D", "second_debit": "E", "return": "R", "stray": "S", "unsolicited": "U", "orphan": "O"}


class LedgerBroken(Exception):
    """The books do not balance; nothing was committed."""


class Booking(NamedTuple):
    """One movement of the payer's account that no due payment stands behind."""

    kind: str
    payment_id: int | None
    amount: int
    reference: str | None = None
    reason: str = ""
    shown_currency: str = "VND"


def bank_reference(kind: str, number: int) -> str:
    """The bank's own reference: 16 characters, unique per kind and payment (or booking)."""
    return f"{_LETTER[kind]}{number:015d}"


class Ledger:
    """One connection, one writer; the bank serialises what it does."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A rollback journal, because SQLite before 3.51.3 can corrupt a write-ahead log; not synchronous,
        # because the books have to survive the bank's being killed and not the machine's.
        self._connection.executescript(
            "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF; PRAGMA cache_size=-131072"
        )
        if not self.rows("SELECT 1 FROM sqlite_master WHERE name = 'fact'"):
            # One transaction: a bank killed while it is founded has not been founded.
            self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def each(self, statement: str, *values: Any) -> Iterator[Any]:
        """Like `rows`, without holding them all."""
        return iter(self._connection.execute(statement, values))

    def figure(self, statement: str, *values: Any) -> int:
        return int(self._connection.execute(statement, values).fetchone()[0] or 0)

    def write(self, statement: str, *values: Any) -> int:
        return self._connection.execute(statement, values).rowcount

    def write_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    def fact(self, name: str) -> str | None:
        found = self.rows("SELECT value FROM fact WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def set_fact(self, name: str, value: str) -> None:
        self.write(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value
        )

    def next_number(self, table: str) -> int:
        """The next free id of a table."""
        return 1 + self.figure(
            {
                "message": "SELECT MAX(number) FROM message",
                "block": "SELECT MAX(number) FROM block",
                "payment": "SELECT MAX(id) FROM payment",
                "booking": "SELECT MAX(id) FROM booking",
                "statement": "SELECT MAX(sequence) FROM statement",
                "outbox": "SELECT MAX(number) FROM outbox",
            }[table]
        )

    def balance(self, account: str = "payer") -> int:
        """What the account holds, in đồng, computed from all its postings."""
        return self.figure("SELECT SUM(amount) FROM posting WHERE account = ?", account)

    def book(self, day: str, bookings: Iterable[Booking]) -> None:
        """Book movements on `day`, in this order; `post` must follow in the same transaction."""
        self.write_many(
            "INSERT INTO booking (day, kind, payment_id, is_debit, amount, reference, reason, shown_currency) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((day, one.kind, one.payment_id, int(one.kind in _DEBITS), *one[2:]) for one in bookings),
        )

    def book_due(self, day: str) -> None:
        """Book every accepted payment that is due by `day`; `post` must follow.

        In the order of their acceptance, the members of a batch booking beside one another.
        """
        self.write(
            "INSERT INTO booking (day, kind, payment_id, is_debit, amount, shown_currency, batch) "
            "SELECT ?1, 'debit', id, 1, COALESCE(booked_amount, amount), COALESCE(shown_currency, 'VND'), batch "
            "FROM payment WHERE state = 'accepted' AND due_day <= ?1 ORDER BY COALESCE(batch, id), id",
            day,
        )
        self.write(
            "UPDATE payment SET state = 'booked', decided_day = ?1 WHERE state = 'accepted' AND due_day <= ?1", day
        )

    def post(self, first_booking: int) -> None:
        """The two postings of every booking from `first_booking` on, and the proof of them.

        Raises LedgerBroken when the books do not balance.
        """
        self.write(
            "INSERT INTO posting SELECT id, 'payer', CASE is_debit WHEN 1 THEN -amount ELSE amount END "
            "FROM booking WHERE id >= ?",
            first_booking,
        )
        self.write(
            "INSERT INTO posting SELECT b.id, c.account, CASE is_debit WHEN 1 THEN amount ELSE -amount END "
            "FROM booking b JOIN counter_account c ON c.kind = b.kind WHERE b.id >= ?",
            first_booking,
        )
        self.check(first_booking)

    def check(self, first_booking: int = 0) -> None:
        """Raises LedgerBroken unless every booking from `first_booking` on has two postings
        that sum to zero and move the payer's account by its amount."""
        broken = self.figure(
            "SELECT COUNT(*) FROM (SELECT booking_id FROM posting WHERE booking_id >= ?1 GROUP BY booking_id "
            "HAVING SUM(amount) <> 0 OR COUNT(*) <> 2)",
            first_booking,
        )
        # Counted over the bookings, so that one without postings is seen as well.
        unlike = self.figure(
            "SELECT COUNT(*) FROM booking b LEFT JOIN posting p ON p.booking_id = b.id AND p.account = 'payer' "
            "WHERE b.id >= ?1 AND p.amount IS NOT CASE b.is_debit WHEN 1 THEN -b.amount ELSE b.amount END",
            first_booking,
        )
        if broken or unlike:
            raise LedgerBroken(f"{broken} bookings do not sum to zero, {unlike} do not move the payer's account")
