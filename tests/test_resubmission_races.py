"""Two approvers at once, and programs that end in the middle: what left is released once, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from paysvc import failpoints
from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.resubmit_payments import (
    approve_resubmission,
    decline_resubmission,
    list_proposals,
    propose_resubmission,
)
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import audit_event, resubmission
from paysvc.store.vault import Vault
from tests.paying_office import APPROVER, BTXH, MAKER, PayingOffice
from tests.planned_province import Enrolled


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol(*[Enrolled({"BTXH": "NANG"})] * 5)
    references = made.pay("2026-12")
    made.refuse(*references)
    return made


def propose(office: PayingOffice) -> bytes:
    return propose_resubmission(office.database, office.clock, MAKER, cycle_code="2026-12").content_sha256


def events(office: PayingOffice, verb: str) -> int:
    with office.database.read() as connection:
        return int(
            connection.execute(
                select(func.count()).select_from(audit_event).where(audit_event.c.verb == verb)
            ).scalar_one()
        )


def test_of_two_approvers_at_once_one_releases(office: PayingOffice, database_url: str) -> None:
    digest = propose(office)
    together = Barrier(2)

    def approve(name: str) -> int | str:
        database = open_database(database_url)
        try:
            together.wait(30)
            return approve_resubmission(
                database, office.clock, Officer(name, Role.APPROVER), cycle_code="2026-12", content_sha256=digest
            ).figure.count
        except Conflict as late:
            return late.code
        finally:
            database.close()

    with ThreadPoolExecutor(2) as people:
        ended = list(people.map(approve, ("approver.minh", "approver.thu")))
    assert sorted(map(str, ended)) == ["5", "nothing_proposed"]
    with office.database.read() as connection:
        assert len(set(connection.execute(select(resubmission.c.approved_by)).scalars())) == 1
    assert (events(office, "approve-resubmission"), office.differences()) == (1, [])
    assert office.plan("2027-01").arrears == Figure(5, 5 * BTXH)


def test_of_two_makers_at_once_each_payment_is_proposed_once(office: PayingOffice, database_url: str) -> None:
    together = Barrier(2)

    def ask(name: str) -> str:
        database = open_database(database_url)
        try:
            together.wait(30)
            propose_resubmission(database, office.clock, Officer(name, Role.MAKER), cycle_code="2026-12")
        except Conflict as late:
            return late.code
        finally:
            database.close()
        return "proposed"

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(ask, ("maker.lan", "maker.tam"))) == ["nothing_unpaid", "proposed"]
    assert list_proposals(office.database, MAKER, cycle_code="2026-12").figure == Figure(5, 5 * BTXH)


@pytest.mark.parametrize(("moment", "is_done"), [("begun", False), ("written", False), ("committed", True)])
@pytest.mark.parametrize("verb", ["propose_resubmission", "approve_resubmission", "decline_resubmission"])
def test_a_step_that_breaks_off_is_done_whole_or_not_at_all(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, verb: str, moment: str, is_done: bool
) -> None:
    digest = b"" if verb == "propose_resubmission" else propose(office)
    steps = {
        "propose_resubmission": lambda: propose(office),
        "approve_resubmission": lambda: approve_resubmission(
            office.database, office.clock, APPROVER, cycle_code="2026-12", content_sha256=digest
        ),
        "decline_resubmission": lambda: decline_resubmission(
            office.database, office.clock, APPROVER, cycle_code="2026-12", reason="Chờ xã"
        ),
    }
    with monkeypatch.context() as armed:
        place = f"services.resubmit_payments.{verb} {moment}=fail"
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": place}))
        with pytest.raises(OSError, match=verb):
            steps[verb]()
    with office.database.read() as connection:
        rows = connection.execute(select(resubmission)).all()
    done = {
        "propose_resubmission": len(rows),
        "approve_resubmission": sum(row.approved_at is not None for row in rows),
        "decline_resubmission": sum(row.closed_at is not None for row in rows),
    }
    assert done[verb] == (5 if is_done else 0)
    assert events(office, verb.replace("_", "-")) == int(is_done)
    assert office.plan("2027-01").arrears.count == (5 if verb == "approve_resubmission" and is_done else 0)
    assert office.differences() == []
    if not is_done:
        steps[verb]()  # done again, it is done


def test_a_payment_booked_while_its_approval_waits_its_turn_is_not_released(
    office: PayingOffice, database_url: str
) -> None:
    """The bank's word and the approval come at the same moment: whoever is first, nobody is owed what was paid."""
    digest = propose(office)
    first = office.payments_of("2026-12")[0]
    statement = office.statement((first, True))
    together = Barrier(2)

    def approve() -> int:
        database = open_database(database_url)
        try:
            together.wait(30)
            return approve_resubmission(
                database, office.clock, APPROVER, cycle_code="2026-12", content_sha256=digest
            ).figure.count
        finally:
            database.close()

    def book() -> None:
        together.wait(30)
        office.receive(statement)

    with ThreadPoolExecutor(2) as both:
        approved, booked = both.submit(approve), both.submit(book)
        booked.result(60)
        assert approved.result(60) in (4, 5)
    assert office.state_of(first) == "SETTLED"
    assert office.plan("2027-01").arrears == Figure(4, 4 * BTXH)
    assert office.differences() == []
