"""check-books on both databases: a month in which everything odd happened agrees, and each forging is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, text

from paysvc.bank_interface import BankUnreachable
from paysvc.clock import FixedClock
from paysvc.domain.books import Difference, Equation
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.store.book_checks import OF_ROWS
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from tests.paying_office import BTXH, SYSTEM, PayingOffice
from tests.payment_world import statement_file, statement_of, status_file
from tests.planned_province import VIETCOMBANK, Enrolled

NAMES = (
    *("settled", "refused", "returned", "other", "twice", "early", "lonely", "foreign", "more"),
    *("silent", "elsewhere", "waiting"),
)


class Month(NamedTuple):
    """An office after its month, and the payments of it by what happened to them."""

    office: PayingOffice
    payment: dict[str, str]
    message: dict[str, str]

    def filled(self, words: str) -> str:
        names = {**self.payment, **{f"batch_{code}": message for code, message in self.message.items()}}
        return words.format_map(names)


@pytest.fixture
def month(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> Month:
    office = PayingOffice(database, sealer, vault, clock)
    office.enrol(
        *[Enrolled({"BTXH": "NANG"}) for _ in range(10)],
        Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK),
        Enrolled({"BTXH": "NANG"}, outcome="name_mismatch"),
    )

    def not_now(file: object) -> str:
        raise BankUnreachable("no route")

    office.bank().script.append(not_now)
    office.approve(office.plan("2026-12"))
    office.send("2026-12")
    message = {one.bank_code: one.message_id for one in office.send("2026-12").batches}
    paid = office.payments_of("2026-12")
    ours = [one for one in paid if office.payments()[one].bank_code == "AGRI"]
    payment = dict(zip(NAMES, [*ours, next(one for one in paid if one not in ours)], strict=False))
    all_of = payment.__getitem__
    office.receive(
        status_file("S1", message["AGRI"], [(all_of("settled"), "ACSC", "", "B1"), ("NOBODY", "ACSC", "", "")]),
        status_file("S2", message["AGRI"], [(all_of("refused"), "RJCT", "AC04", "")]),
        status_file("S3", message["AGRI"], groups=[(message["AGRI"], None, "ACSP", "")]),
        b"no file of this bank",
        status_file("S4", "M20261204UNKNOWN", [(all_of("settled"), "RJCT", "AC01", "")]),
    )
    _book(
        office,
        [(all_of(one), BTXH, True, f"D-{one}") for one in ("settled", "returned", "twice", "more")],
        [(all_of("other"), BTXH - 1, True, "D-other"), (all_of("early"), BTXH, False, "C-early")],
        [(all_of("foreign"), 30, True, "D-foreign", "", "BOOK", "USD"), ("STRANGER 7", 12_000, False, "C-x")],
        [(all_of("silent"), BTXH, True, "D-silent", "", "PDNG"), ("", 500, True, "D-nameless")],
    )
    _book(
        office,
        [(all_of(one), BTXH, True, f"E-{one}") for one in ("twice", "early")],
        [(all_of(one), BTXH, False, f"E-{one}", "AC04") for one in ("returned", "lonely", "more")],
        [(all_of("more"), BTXH, False, "E-again", "AC04")],
    )
    office.approve(office.plan("2027-01"))
    payment["waiting"] = office.payments_of("2027-01")[0]
    return Month(office, payment, message)


def _book(office: PayingOffice, *entries: list[tuple[object, ...]]) -> None:
    office.days["AGRI"] += 1
    number = office.days["AGRI"]
    made = statement_of(f"A-{number}", number, office.balance["AGRI"], [one for part in entries for one in part])
    office.balance["AGRI"] = made["closing"]
    office.receive(statement_file(f"A-M{number}", made))


def everything(month: Month) -> tuple[Difference, ...]:
    office = month.office
    return check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).differences


@contextmanager
def forging(database: Database) -> Iterator[Connection]:
    """Past every rule that the database knows, in a transaction that nobody commits."""
    with database.engine.connect().execution_options(paysvc_write=True) as connection:
        if database.is_postgresql:
            connection.execute(text("SET session_replication_role = replica"))
            connection.execute(text("ALTER TABLE instruction DROP CONSTRAINT ck_instruction_live_by_state"))
            connection.execute(text("DROP INDEX uq_obligation_claim_standing"))
            connection.execute(text("DROP INDEX uq_statement_line_settlement"))
        else:
            for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
            connection.execute(text("DROP INDEX uq_obligation_claim_standing"))
            connection.execute(text("DROP INDEX uq_statement_line_settlement"))
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        yield connection
        connection.rollback()
        if not database.is_postgresql:
            connection.execute(text("PRAGMA ignore_check_constraints = OFF"))


def test_an_honest_month_gives_nothing(month: Month) -> None:
    assert sorted(kind for kind, _ in month.office.discrepancies()) == [
        "amount_mismatch", "amount_mismatch", "currency_mismatch", "disputed", "duplicate_settlement",
        "return_without_settlement", "unknown_reference", "unknown_reference", "unknown_reference",
    ]  # fmt: skip
    assert month.office.discrepancies(resolved=True) == [("return_without_settlement", month.payment["early"])]
    states = {name: month.office.state_of(one) for name, one in month.payment.items()}
    assert states == {
        "settled": "SETTLED", "refused": "REJECTED", "returned": "RETURNED", "other": "SETTLED", "twice": "SETTLED",
        "early": "RETURNED", "lonely": "SENT", "foreign": "SETTLED", "more": "DISPUTED", "silent": "SENT",
        "elsewhere": "SENT", "waiting": "PLANNED",
    }  # fmt: skip
    assert everything(month) == ()


_OF = "(SELECT id FROM instruction WHERE end_to_end_id = '{%s}')"
_NOTE = "(SELECT MIN(id) FROM discrepancy WHERE kind = '%s')"
_LINE_OF = "(SELECT entitlement_id FROM instruction WHERE end_to_end_id = '{settled}')"
_DUE_OF = f"(SELECT obligation_id FROM obligation_claim WHERE entitlement_id = {_LINE_OF})"

#: What somebody at the console does, and, each in a few words, what is then said: equation and subject.
FORGINGS: dict[str, tuple[str, set[str]]] = {
    "a status is taken out": (
        f"DELETE FROM payment_status WHERE status = 'ACSC' AND instruction_id = {_OF % 'settled'}",
        {"states: payment {settled}"},
    ),
    "a status is moved to another payment": (
        f"UPDATE payment_status SET instruction_id = {_OF % 'other'} WHERE status = 'RJCT'",
        {"states: payment {refused}", "states: payment {other}", "states: status under {refused}"},
    ),
    "a best status is forged": (
        "UPDATE instruction SET best_status = 'ACCC' WHERE end_to_end_id = '{silent}'",
        {"states: payment {silent}"},
    ),
    "a refusal is forged": (
        "UPDATE instruction SET is_refused = TRUE WHERE end_to_end_id = '{silent}'",
        {"states: payment {silent}"},
    ),
    "a settled payment is called disputed": (
        "UPDATE instruction SET state = 'DISPUTED' WHERE end_to_end_id = '{settled}'",
        {"states: payment {settled}", "discrepancies: disputed of payment {settled}"},
    ),
    "a sent payment is called settled": (
        "UPDATE instruction SET state = 'SETTLED' WHERE end_to_end_id = '{silent}'",
        {"states: payment {silent}"},
    ),
    "a payment that waits for its batch is called cancelled": (
        "UPDATE instruction SET state = 'CANCELLED', is_live = FALSE WHERE end_to_end_id = '{waiting}'",
        {
            "states: payment {waiting}", "accounts: fund:NS", "accounts: reserved:NS",
            "claims: payment {waiting}",
        },
    ),
    "a payment is said to be withdrawn": (
        ("INSERT INTO withdrawal (id, instruction_id, reason, withdrawn_by, withdrawn_at)"
        " SELECT 1, id, 'x', 'somebody', '2026-12-20T00:00:00.000000Z' FROM instruction"
        " WHERE end_to_end_id = '{waiting}'"),
        {"withdrawals: payment {waiting}", "states: payment {waiting}"},
    ),
    "a returned payment stands in the way of another": (
        "UPDATE instruction SET is_live = TRUE WHERE end_to_end_id = '{returned}'",
        {"states: payment {returned}"},
    ),
    "a batch is called sealed, to be sent again": (
        "UPDATE batch SET state = 'SEALED' WHERE message_id = '{batch_VCB}'",
        {"states: batch {batch_VCB}", "states: payment {elsewhere}"},
    ),
    "a batch is called refused": (
        "UPDATE batch SET state = 'REFUSED' WHERE message_id = '{batch_VCB}'",
        {"states: batch {batch_VCB}", "states: payment {elsewhere}"},
    ),
    "an attempt is taken out": (
        ("DELETE FROM send_attempt WHERE number = 1 AND bank_file_id ="
        " (SELECT id FROM bank_file WHERE message_id = '{batch_AGRI}')"),
        {"attempts: attempt 1 of batch {batch_AGRI}"},
    ),
    "an attempt is made younger, and with it the bank's memory": (
        ("UPDATE send_attempt SET started_at = '2026-12-30T00:00:00.000000Z' WHERE bank_file_id ="
        " (SELECT id FROM bank_file WHERE message_id = '{batch_VCB}')"),
        {"attempts: attempt 1 of batch {batch_VCB}"},
    ),
    "an attempt is said to have left nothing": (
        ("UPDATE send_attempt SET outcome = 'not_sent' WHERE outcome = 'sent' AND bank_file_id ="
        " (SELECT id FROM bank_file WHERE message_id = '{batch_VCB}')"),
        {"attempts: attempt 1 of batch {batch_VCB}"},
    ),
    "an attempt is put in": (
        ("INSERT INTO send_attempt (bank_file_id, number, started_at, outcome)"
        " SELECT id, 7, '2026-11-21T00:00:00.000000Z', 'sent' FROM bank_file WHERE message_id = '{batch_VCB}'"),
        {"attempts: attempt 7 of batch {batch_VCB}"},
    ),
    "accepted status files are called quarantined": (
        "UPDATE inbound_file SET state = 'QUARANTINED' WHERE kind = 'status' AND state = 'ACCEPTED'",
        {"inbound-files: file"},
    ),
    "a file that waits is called quarantined": (
        "UPDATE inbound_file SET state = 'QUARANTINED' WHERE state = 'PARKED'",
        {"inbound-files: file"},
    ),
    "a quarantined file is called accepted": (
        "UPDATE inbound_file SET state = 'ACCEPTED' WHERE state = 'QUARANTINED'",
        {"inbound-files: file"},
    ),
    "two lines of one amount change places": (
        (f"UPDATE statement_line SET instruction_id = CASE bank_reference WHEN 'D-settled' THEN {_OF % 'more'}"
        f" ELSE {_OF % 'settled'} END WHERE bank_reference IN ('D-settled', 'D-more')"),
        {"bookings: line under {settled}", "bookings: line under {more}"},
    ),
    "a month is taken out": (
        f"DELETE FROM obligation WHERE id = {_DUE_OF}",
        {"claims: line", "claims: claim of line"},
    ),
    "a month is over more": (
        f"UPDATE obligation SET amount_vnd = amount_vnd + 1 WHERE id = {_DUE_OF}",
        {"claims: line"},
    ),
    "a month is another programme's": (
        f"UPDATE obligation SET programme_code = 'HUUTRI' WHERE id = {_DUE_OF}",
        {"claims: line"},
    ),
    "a claim is taken out": (
        f"DELETE FROM obligation_claim WHERE entitlement_id = {_LINE_OF}",
        {"claims: line", "claims: obligation"},
    ),
    "a month is claimed twice": (
        ("INSERT INTO obligation_claim (entitlement_id, obligation_id)"
        f" SELECT (SELECT MAX(entitlement_id) FROM instruction), {_DUE_OF}"),
        {"claims: line", "claims: obligation"},
    ),
    "a month that is planned is set free for another plan": (
        ("UPDATE obligation_claim SET released_at = '2026-11-21T00:00:00.000000Z' WHERE entitlement_id ="
        " (SELECT entitlement_id FROM instruction WHERE end_to_end_id = '{waiting}')"),
        {"claims: payment {waiting}"},
    ),
    "a month that was held is kept for good": (
        ("UPDATE obligation_claim SET released_at = NULL WHERE entitlement_id ="
        " (SELECT MIN(id) FROM entitlement WHERE disposition = 'held')"),
        {"claims: line"},
    ),
    "what is noted is taken out": (
        "DELETE FROM discrepancy",
        {
            "discrepancies: amount_mismatch of payment {other}", "discrepancies: amount_mismatch of payment {more}",
            "discrepancies: currency_mismatch of payment {foreign}",
            "discrepancies: duplicate_settlement of payment {twice}",
            "discrepancies: return_without_settlement of payment {lonely}",
            "discrepancies: return_without_settlement of payment {early}",
            "discrepancies: disputed of payment {more}", "discrepancies: unknown references in file",
        },
    ),
    "what was noted and explained is taken out": (
        "DELETE FROM discrepancy WHERE resolved_at IS NOT NULL",
        {"discrepancies: return_without_settlement of payment {early}"},
    ),
    "what is noted is over less": (
        f"UPDATE discrepancy SET amount_vnd = 2 WHERE id = {_NOTE % 'amount_mismatch'}",
        {"discrepancies: amount_mismatch of payment {other}"},
    ),
    "what is noted is closed by hand": (
        "UPDATE discrepancy SET resolved_at = '2026-12-20T00:00:00.000000Z' WHERE kind = 'duplicate_settlement'",
        {"discrepancies: duplicate_settlement of payment {twice}"},
    ),
    "what was explained is open again": (
        "UPDATE discrepancy SET resolved_at = NULL WHERE resolved_at IS NOT NULL",
        {"discrepancies: return_without_settlement of payment {early}"},
    ),
    "something is noted about nobody": (
        f"UPDATE discrepancy SET instruction_id = {_OF % 'settled'} WHERE kind = 'currency_mismatch'",
        {
            "discrepancies: currency_mismatch of payment {foreign}",
            "discrepancies: currency_mismatch of payment {foreign}, under another's name",
        },
    ),
    "a stranger's money is noted as less": (
        "UPDATE discrepancy SET amount_vnd = 1 WHERE reference = 'STRANGER 7'",
        {"discrepancies: unknown references in file"},
    ),
    "a stranger's status is no longer noted": (
        "DELETE FROM discrepancy WHERE reference = 'NOBODY'",
        {"discrepancies: unknown references in file"},
    ),
}  # fmt: skip


def test_each_forging_is_named(month: Month) -> None:
    wrong = {}
    for what, (statement, words) in FORGINGS.items():
        expected = {month.filled(one) for one in words}
        with forging(month.office.database) as connection:
            assert connection.execute(text(month.filled(statement))).rowcount > 0, what
            found = [
                f"{one.equation}: {one.subject}" for equation in OF_ROWS for one in equation(connection).differences
            ]
        if not (
            all(any(one.startswith(each) for one in found) for each in expected)
            and all(any(one.startswith(each) for each in expected) for one in found)
        ):
            wrong[what] = (found, expected)
    assert not wrong
    assert everything(month) == (), "the transactions were not rolled back"


#: What only the kept bytes show, under this equation.
READ_AGAIN = Equation.STATUS_FILES.value

IN_FILES: dict[str, tuple[str, str]] = {
    "a status that changes nothing is taken out": (
        f"DELETE FROM payment_status WHERE status = 'ACSP' AND instruction_id = {_OF % 'silent'}",
        "the statuses of its file",
    ),
    "a reason is rewritten": (
        "UPDATE payment_status SET reason_code = 'AC01' WHERE status = 'RJCT'",
        "the statuses of its file",
    ),
    "a status is put in": (
        (
            "INSERT INTO payment_status (inbound_file_id, position, reference, instruction_id, status, reason_code,"
            f" bank_reference) SELECT MIN(inbound_file_id), 99, '{{silent}}', {_OF % 'silent'}, 'ACTC', '', ''"
            " FROM payment_status"
        ),
        "the statuses of its file",
    ),
    "an accepted status file is called a statement": (
        "UPDATE inbound_file SET kind = 'statement' WHERE kind = 'status' AND state = 'ACCEPTED'",
        "a status file that was accepted",
    ),
}


@pytest.mark.parametrize("what", IN_FILES)
def test_status_files_are_read_again(month: Month, what: str) -> None:
    statement, expected = IN_FILES[what]
    with forging(month.office.database) as connection:
        connection.execute(text(month.filled(statement)))
        connection.commit()
        if month.office.database.is_postgresql:
            connection.execute(text("SET session_replication_role = DEFAULT"))
    found = [one for one in everything(month) if one.equation == READ_AGAIN]
    assert {one.expected for one in found} == {expected}


def test_a_dialect_that_nobody_reads_is_searched_for_its_payments(month: Month) -> None:
    """The practising bank's adapter does not read what it wrote."""
    with forging(month.office.database) as connection:
        connection.execute(text("UPDATE instruction SET end_to_end_id = 'P000000000000000' WHERE end_to_end_id ="
                                f" '{month.payment['elsewhere']}'"))  # fmt: skip
        connection.commit()
    found = {(one.equation.value, one.subject) for one in everything(month)}
    assert ("sent-files", f"file of batch {month.message['VCB']}") in found
