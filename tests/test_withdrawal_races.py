"""Two approvers at once, programs that end in the middle, senders that run beside: each payment is withdrawn once,
whole or not at all, and what is withdrawn does not leave."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from paysvc import failpoints
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.close_cycle import close_cycle
from paysvc.services.submit_batches import submit_batches
from paysvc.services.withdraw_payments import withdraw_payments
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import audit_event, ledger_transaction, withdrawal
from paysvc.store.vault import Vault
from tests.paying_office import APPROVER, BTXH, SYSTEM, PayingOffice, practising
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled

REASON = "Không còn chi qua ngân hàng này"


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    """A released month of five, in a batch that was not written: its bank's adapter is broken."""
    banks = BankRegistry([practising("AGRI", AGRIBANK), practising("VCB", VIETCOMBANK)])
    made = PayingOffice(database, sealer, vault, clock, banks)
    made.enrol(*[Enrolled({"BTXH": "NANG"})] * 5)
    made.approve(made.plan("2026-12"))
    made.bank().cannot_write = RuntimeError("broken")
    made.send("2026-12")
    assert {made.state_of(one) for one in made.payments_of("2026-12")} == {"BATCHED"}
    made.bank().cannot_write = None
    return made


def events(office: PayingOffice, verb: str) -> int:
    with office.database.read() as connection:
        told = select(func.count()).where(audit_event.c.verb == verb, audit_event.c.subject == "cycle:2026-12")
        return int(connection.execute(told).scalar_one())


def given_back(office: PayingOffice) -> int:
    with office.database.read() as connection:
        posted = select(func.count()).where(ledger_transaction.c.kind == "withdraw")
        return int(connection.execute(posted).scalar_one())


def withdraw(office: PayingOffice, *references: str) -> None:
    withdraw_payments(
        office.database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, end_to_end_ids=references
    )


def armed(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))


@pytest.mark.parametrize(("moment", "is_done"), [("begun", False), ("written", False), ("committed", True)])
def test_a_withdrawal_that_breaks_off_is_done_whole_or_not_at_all(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, moment: str, is_done: bool
) -> None:
    first, second, *_ = office.payments_of("2026-12")
    with monkeypatch.context() as context:
        armed(context, f"services.withdraw_payments.withdraw_payments {moment}")
        with pytest.raises(OSError, match="withdraw_payments"):
            withdraw(office, first, second)
    assert (events(office, "withdraw-payments"), given_back(office)) == (int(is_done), int(is_done))
    assert {office.state_of(one) for one in (first, second)} == {"CANCELLED" if is_done else "BATCHED"}
    assert office.differences() == []
    withdraw(office, first, second)  # done again, it is done, and once
    assert (events(office, "withdraw-payments"), given_back(office)) == (1, 1)
    assert office.send("2026-12").is_complete
    assert office.plan("2027-01").arrears == Figure(2, 2 * BTXH)
    assert office.differences() == []


@pytest.mark.parametrize(("moment", "is_done"), [("begun", False), ("written", False), ("committed", True)])
def test_a_closing_that_breaks_off_is_done_or_not(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, moment: str, is_done: bool
) -> None:
    withdraw(office, *office.payments_of("2026-12"))
    with monkeypatch.context() as context:
        armed(context, f"services.close_cycle.close_cycle {moment}")
        with pytest.raises(OSError, match="close_cycle"):
            close_cycle(office.database, office.clock, APPROVER, cycle_code="2026-12")
    assert events(office, "close-cycle") == int(is_done)
    assert close_cycle(office.database, office.clock, APPROVER, cycle_code="2026-12").is_new is not is_done
    assert (events(office, "close-cycle"), office.differences()) == (1, [])


def together(database_url: str, *works: Callable[[Database], object]) -> list[object]:
    """What these came to, each with a connection of its own, begun at one moment."""
    gate = Barrier(len(works))

    def run(work: Callable[[Database], object]) -> object:
        database = open_database(database_url)
        try:
            gate.wait(30)
            return work(database)
        except Conflict as late:
            return late.code
        finally:
            database.close()

    with ThreadPoolExecutor(len(works)) as people:
        return list(people.map(run, works))


def test_of_two_approvers_at_once_each_payment_is_withdrawn_once(office: PayingOffice, database_url: str) -> None:
    references = office.payments_of("2026-12")

    def work(name: str, chosen: list[str]) -> Callable[[Database], object]:
        def run(database: Database) -> object:
            return withdraw_payments(
                database, office.clock, Officer(name, Role.APPROVER), cycle_code="2026-12", reason=REASON,
                end_to_end_ids=chosen,
            ).figure.count  # fmt: skip

        return run

    ended = together(database_url, work("approver.minh", references[:4]), work("approver.thu", references[1:]))
    assert sorted(map(str, ended)) == ["1", "4"]
    with office.database.read() as connection:
        assert len(connection.execute(select(withdrawal)).all()) == 5
    assert (given_back(office), office.differences()) == (2, [])
    assert office.plan("2027-01").arrears == Figure(5, 5 * BTXH)


def test_beside_a_sender_each_payment_leaves_or_is_withdrawn(office: PayingOffice, database_url: str) -> None:
    """Whoever comes first: what was withdrawn is in no file, and what was written is not withdrawn."""
    chosen = office.payments_of("2026-12")[2]

    def send(database: Database) -> object:
        return submit_batches(
            database, office.sealer, office.vault, office.banks, office.clock, SYSTEM, cycle_code="2026-12"
        ).is_complete

    def take_out(database: Database) -> object:
        return withdraw_payments(
            database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, end_to_end_ids=[chosen]
        ).figure.count

    _, withdrawn = together(database_url, send, take_out)
    assert withdrawn in (1, "payment_not_withdrawable")
    assert office.send("2026-12").is_complete
    has_left = any(chosen.encode() in content for _, content in office.bank().sendings)
    assert (office.state_of(chosen), has_left) == (("CANCELLED", False) if withdrawn == 1 else ("SENT", True))
    others = [one for one in office.payments_of("2026-12") if one != chosen]
    assert {office.state_of(one) for one in others} == {"SENT"}
    assert office.plan("2027-01").arrears.count == (1 if withdrawn == 1 else 0)
    assert office.differences() == []


def test_a_cycle_is_not_closed_beside_the_bank_s_word(office: PayingOffice, database_url: str) -> None:
    """The last payment is booked while its cycle is closed: closed after it, or refused, and never torn."""
    assert office.send("2026-12").is_complete
    office.book(*((one, True) for one in office.payments_of("2026-12")[1:]))
    statement = office.statement((office.payments_of("2026-12")[0], True))

    def close(database: Database) -> object:
        return close_cycle(database, office.clock, APPROVER, cycle_code="2026-12").is_new

    def book(database: Database) -> object:
        office.receive(statement)
        return "booked"

    closed, _ = together(database_url, close, book)
    assert closed in (True, "cycle_open")
    assert close_cycle(office.database, office.clock, APPROVER, cycle_code="2026-12").is_new is (closed == "cycle_open")
    assert office.differences() == []
