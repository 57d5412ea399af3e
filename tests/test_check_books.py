"""check: books that agree are found to agree, and each thing that is changed behind their back is found."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from paysvc.config import read_settings
from paysvc.domain.books import MEANING, OF_FILES, Equation
from paysvc.domain.errors import DoesNotReconcile
from paysvc.services.check_books import VERB, check_books
from paysvc.services.manage_officers import SYSTEM_OFFICER
from paysvc.wiring import wire

from .finished_month import Demo
from .test_bank_letters import LETTER_FORGINGS, SCAN_FORGED
from .test_forged_books import FORGINGS, READ_AGAIN

#: The month of the demo has no letters of banks; they are looked at where there are.
NOT_IN_THE_DEMO = {"letters", "letter-scans"}


def check(demo: Demo, *words: str, role: str = "auditor") -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and each equation's row."""
    done = demo.run("check", *words, "-o", "json", role=role)
    assert "Traceback" not in done.stderr
    return done.returncode, {row["equation"]: row for row in json.loads(done.stdout or "[]")}


def differing(demo: Demo) -> set[str]:
    """The equations that do not hold, by the service itself."""
    wiring = wire(read_settings(home=demo.home))
    try:
        found = check_books(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    finally:
        wiring.close()
    with pytest.raises(DoesNotReconcile, match=found.differences[0].subject):
        found.require_agreement()
    return {one.equation.value for one in found.differences}


def test_the_books_of_a_finished_month_agree(copied: Demo) -> None:
    code, rows = check(copied)
    assert code == 0
    assert list(rows) == [one.value for one in Equation]
    assert set(MEANING) == set(Equation)
    assert all(row["differences"] == 0 for row in rows.values())
    # Nothing agrees because nothing was looked at.
    assert {name for name, row in rows.items() if row["examined"] == 0} == NOT_IN_THE_DEMO
    assert rows["plans"]["examined"] > 1_200
    assert rows["bookings"]["examined"] > 1_000


def test_without_files_the_rows_alone_are_asked(copied: Demo) -> None:
    code, rows = check(copied, "--without-files")
    assert code == 0
    assert set(rows) == {one.value for one in set(Equation) - set(OF_FILES)}


def test_that_it_was_done_is_in_the_trail(copied: Demo) -> None:
    check(copied, "--without-files")
    with sqlite3.connect(copied.home / "paysvc.db") as connection:
        verb, detail = connection.execute("SELECT verb, detail FROM audit_event ORDER BY id DESC LIMIT 1").fetchone()
    told = json.loads(detail)
    assert set(told.pop("asked")) == {one.value for one in set(Equation) - set(OF_FILES)}
    assert (verb, told) == (VERB, {"differences": 0, "with_files": False, "differing": {}})


def test_who_may_not(copied: Demo) -> None:
    assert check(copied, role="maker") == (4, {})


#: What somebody at the database's console could do, and the equations that then no longer hold.
CHANGES = {
    "an event is rewritten": ("UPDATE audit_event SET actor = 'nobody' WHERE id = 3", {"trail"}),
    "an event is taken out": ("DELETE FROM audit_event WHERE id = 4", {"trail"}),
    "a posting is changed": (
        "UPDATE posting SET amount_vnd = amount_vnd + 1 WHERE rowid = (SELECT MIN(rowid) FROM posting)",
        {"transactions", "accounts"},
    ),
    "a transaction is opened again": (
        "UPDATE ledger_transaction SET is_posted = 0 WHERE kind = 'returned'",
        {"transactions", "accounts"},
    ),
    "a transaction is taken out": (
        "DELETE FROM posting WHERE transaction_id = (SELECT MAX(id) FROM ledger_transaction WHERE kind = 'bank_word')",
        {"transactions", "accounts"},
    ),
    "a settled payment is called rejected": (
        (
            "UPDATE instruction SET state = 'REJECTED', is_live = 0"
            " WHERE id = (SELECT MIN(id) FROM instruction WHERE state = 'SETTLED')"
        ),
        {"accounts", "states"},
    ),
    "a payment is made larger": (
        (
            "UPDATE instruction SET amount_vnd = amount_vnd + 1000"
            " WHERE id = (SELECT MIN(id) FROM instruction WHERE channel = 'account' AND state = 'SETTLED'"
            " AND batch_id IN (SELECT batch_id FROM bank_file WHERE name LIKE '%.xml'))"
        ),
        {"accounts", "plans", "approvals", "batches", "sent-files", "discrepancies"},
    ),
    "a payment is booked twice in our rows": (
        "UPDATE instruction SET debit_count = 2 WHERE id = (SELECT MIN(id) FROM instruction WHERE state = 'SETTLED')",
        {"bookings"},
    ),
    "a planned line loses its payment": (
        (
            "DELETE FROM instruction WHERE id = (SELECT MIN(id) FROM instruction WHERE state = 'SETTLED' AND "
            "batch_id IN (SELECT batch_id FROM bank_file WHERE name LIKE '%.xml'))"
        ),
        {"accounts", "plans", "approvals", "batches", "bookings", "sent-files", "states"},
    ),
    "a held line is called planned": (
        (
            "UPDATE entitlement SET disposition = 'planned', reason = ''"
            " WHERE id = (SELECT MIN(id) FROM entitlement WHERE disposition = 'held')"
        ),
        {"plans"},
    ),
    "two people change places": (
        (
            "UPDATE instruction SET account_id = (SELECT MAX(account_id) FROM instruction)"
            " WHERE id = (SELECT MIN(id) FROM instruction WHERE channel = 'account')"
        ),
        {"approvals"},
    ),
    "a batch says another sum": (
        "UPDATE batch SET sum_vnd = sum_vnd + 1 WHERE id = (SELECT MIN(id) FROM batch)",
        {"batches"},
    ),
    "a statement line is taken out": (
        "DELETE FROM statement_line WHERE rowid = (SELECT MIN(rowid) FROM statement_line WHERE verdict = 'settlement')",
        {"bookings", "statements", "returned-files"},
    ),
    "a statement line names another amount": (
        (
            "UPDATE statement_line SET amount_vnd = amount_vnd + 5"
            " WHERE rowid = (SELECT MIN(rowid) FROM statement_line WHERE verdict = 'settlement')"
        ),
        {"bookings", "statements", "returned-files"},
    ),
    "what came back is owed again by nobody's word": (
        (
            "UPDATE obligation_claim SET released_at = '2026-12-20T00:00:00.000000Z'"
            " WHERE entitlement_id = (SELECT MIN(entitlement_id) FROM instruction WHERE state = 'RETURNED')"
        ),
        {"resubmissions"},
    ),
    "two payments carry the same dues": (
        (
            "UPDATE obligation_claim SET released_at = '2026-12-20T00:00:00.000000Z', obligation_id ="
            " (SELECT obligation_id FROM obligation_claim WHERE entitlement_id ="
            " (SELECT MAX(entitlement_id) FROM instruction WHERE state = 'SETTLED'))"
            " WHERE entitlement_id = (SELECT MIN(entitlement_id) FROM instruction WHERE state = 'SETTLED')"
        ),
        {"resubmissions", "claims"},
    ),
    "a statement closes with another balance": (
        (
            "UPDATE bank_statement SET closing_vnd = closing_vnd + 1, credits_vnd = credits_vnd + 1"
            " WHERE id = (SELECT MIN(id) FROM bank_statement)"
        ),
        {"statements", "balances"},
    ),
    "a cycle is called closed": ("UPDATE payment_cycle SET state = 'CLOSED'", {"withdrawals"}),
}


def change(demo: Demo, statement: str) -> None:
    """Past every rule that the database knows."""
    with sqlite3.connect(demo.home / "paysvc.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(statement).rowcount > 0


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_behind_the_programs_back_is_found(copied: Demo, what: str) -> None:
    statement, broken = CHANGES[what]
    change(copied, statement)
    assert differing(copied) == broken


def test_every_equation_can_be_broken() -> None:
    broken = set().union(*(broken for _, broken in CHANGES.values()))
    named = {word.partition(":")[0] for _, words in FORGINGS.values() for word in words}
    of_letters = {equation for _, equation, _ in LETTER_FORGINGS} | {SCAN_FORGED}
    assert broken | named | {READ_AGAIN} | of_letters == {one.value for one in Equation}


def test_differences_are_rows_without_personal_data(copied: Demo) -> None:
    change(copied, CHANGES["a payment is booked twice in our rows"][0])
    done = copied.run("check", "--differences", "-o", "csv")
    assert done.returncode == 9
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["equation"] == "bookings"
    assert row["subject"].startswith("payment P")
    assert (row["expected"][:8], row["found"][:8]) == ("1 debits", "2 debits")


@pytest.mark.parametrize("damage", ["gone", "changed"])
@pytest.mark.parametrize(("table", "equation"), [("bank_file", "sent-files"), ("bank_statement", "returned-files")])
def test_bytes_that_are_not_what_they_were_are_found(copied: Demo, table: str, equation: str, damage: str) -> None:
    file_of = "bank_file" if table == "bank_file" else "inbound_file JOIN bank_statement s ON s.inbound_file_id = f.id"
    with sqlite3.connect(copied.home / "paysvc.db") as connection:
        (digest,) = connection.execute(
            f"SELECT f.sha256 FROM {file_of.replace('_file', '_file f', 1)} LIMIT 1"
        ).fetchone()
    path = Path(copied.home / "vault" / digest.hex()[:2] / digest.hex()[2:])
    if damage == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.chmod(0o600)
        path.write_bytes(content)
    assert differing(copied) == {equation}
