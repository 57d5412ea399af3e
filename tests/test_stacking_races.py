"""Of programmes that exclude one another one is paid, also when the bank books late or two plans are drawn at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text, update

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict
from paysvc.sealing import Sealer
from paysvc.services import plan_payments as planning
from paysvc.services.approve_plan import approve_plan, submit_plan
from paysvc.services.recall_payments import recall_payments
from paysvc.store.engine import Database
from paysvc.store.tables import discrepancy
from paysvc.store.vault import Vault
from tests.paying_office import APPROVER, MAKER, SYSTEM, PayingOffice
from tests.planned_province import Enrolled

DOUBLE = "paid_after_resubmission"
AMOUNTS = {"BTXH": 750_000, "HTXH": 500_000}
BOTH_ORDERS = pytest.mark.parametrize(("first", "second"), [("BTXH", "HTXH"), ("HTXH", "BTXH")])


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    return made


def free(office: PayingOffice, programme: str) -> str:
    """A payment of the programme that was refused and may be made again."""
    (one,) = office.pay("2026-12", programme_codes=[programme])
    office.refuse(one)
    office.resubmit("2026-12")
    return one


def plan(office: PayingOffice, programme: str, code: str = "beside") -> planning.PlanResult:
    return office.plan(code, programme_codes=[programme], periods=["2026-12"])


def book(office: PayingOffice, reference: str, programme: str, *, is_debit: bool = True) -> None:
    office.book((reference, is_debit), amount=AMOUNTS[programme])


@BOTH_ORDERS
def test_what_was_planned_beside_it_is_neither_submitted_nor_approved(
    office: PayingOffice, first: str, second: str
) -> None:
    early = free(office, first)
    planned = plan(office, second)
    assert planned.planned.count == 1
    book(office, early, first)
    with pytest.raises(Conflict) as caught:
        submit_plan(office.database, office.clock, MAKER, cycle_code="beside")
    assert (caught.value.code, planned.cycle_code in caught.value.message) == ("plan_outdated", True)
    # What the bank takes back in the end stands in nobody's way.
    book(office, early, first, is_debit=False)
    submit_plan(office.database, office.clock, MAKER, cycle_code="beside")
    book(office, early, first)
    with pytest.raises(Conflict) as caught:
        approve_plan(
            office.database, office.clock, APPROVER, cycle_code="beside", content_sha256=planned.content_sha256
        )
    assert caught.value.code == "plan_outdated"


@BOTH_ORDERS
def test_what_was_approved_beside_it_does_not_leave(office: PayingOffice, first: str, second: str) -> None:
    early = free(office, first)
    office.approve(plan(office, second))
    book(office, early, first)
    for _ in range(2):
        (named,) = office.send("beside").unpayable
        assert (named.end_to_end_id, named.field) == (office.payments_of("beside")[0], "replaces")
        assert early in named.message
    (late,) = office.payments_of("beside")
    assert (office.state_of(early), office.state_of(late)) == ("SETTLED", "PLANNED")
    assert (office.discrepancies(), office.differences()) == ([], [])
    assert len(office.bank().sendings) == 1


@BOTH_ORDERS
def test_what_left_beside_it_is_noted_and_recalled(office: PayingOffice, first: str, second: str) -> None:
    early = free(office, first)
    office.approve(plan(office, second))
    office.send("beside")
    (late,) = office.payments_of("beside")
    book(office, early, first)
    assert (office.discrepancies(), office.differences()) == ([(DOUBLE, late)], [])
    book(office, late, second)
    assert (office.state_of(early), office.state_of(late)) == ("SETTLED", "SETTLED")
    assert (office.discrepancies(), office.differences()) == ([(DOUBLE, late)], [])
    asked = recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    assert [one.code for one in asked.waiting] == ["recall_needs_a_person"]
    assert late in asked.waiting[0].message
    # Whichever of the two comes back, it is over.
    comes_back, programme = (early, first) if first == "BTXH" else (late, second)
    book(office, comes_back, programme, is_debit=False)
    assert (office.discrepancies(), office.differences()) == ([], [])
    assert office.paid_vnd() == AMOUNTS[second if first == "BTXH" else first]


def test_a_pair_that_nobody_noted_is_found_in_the_books(office: PayingOffice) -> None:
    early = free(office, "BTXH")
    office.approve(plan(office, "HTXH"))
    office.send("beside")
    book(office, early, "BTXH")
    with office.database.write() as connection:
        of = " ON discrepancy" if office.database.is_postgresql else ""
        connection.execute(text(f"DROP TRIGGER discrepancy_fixed{of}"))
        connection.execute(update(discrepancy).values(kind="amount_mismatch"))
    late = office.payments_of("beside")[0]
    assert [one for one in office.differences() if early in one and late in one]


def test_another_month_and_a_programme_of_its_own_are_nobodys_double(office: PayingOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG", "NCC": "LS1"}))
    paid = office.pay("2026-12", programme_codes=["BTXH"])
    office.refuse(*paid)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01", programme_codes=["HTXH"], periods=["2027-01"]))
    office.approve(office.plan("ncc", programme_codes=["NCC"], periods=["2026-12"]))
    office.book(*((one, True) for one in paid))
    for code in ("2027-01", "ncc"):
        assert office.send(code).unpayable == ()
    office.book((paid[0], False))
    office.book((paid[0], True))
    assert [kind for kind, _ in office.discrepancies() if kind == DOUBLE] == []


@BOTH_ORDERS
def test_two_plans_of_one_group_at_once_wait_for_each_other(
    postgresql_database: Database,
    sealer: Sealer,
    vault: Vault,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    second: str,
) -> None:
    """The second one is begun while the first has read what is promised and has written nothing yet.

    Both are drafts drawn anew: of two new cycles one would wait for the other's number anyway.
    """
    office = PayingOffice(postgresql_database, sealer, vault, clock)
    office.enrol(Enrolled({"BTXH": "NANG"}), Enrolled({"HTXH": "HTXH-75"}))
    assert [plan(office, code, name).planned.count for code, name in ((first, "first"), (second, "second"))] == [1, 1]
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    first_has_read, second_has_read, go_on = Event(), Event(), Event()
    read_facts = planning._read_facts

    def watched(connection: Any, banks: Any, chosen: Any, *rest: Any) -> Any:
        facts = read_facts(connection, banks, chosen, *rest)
        if chosen[0].code == second:
            second_has_read.set()
        else:
            first_has_read.set()
            assert go_on.wait(60)
        return facts

    monkeypatch.setattr(planning, "_read_facts", watched)

    def second_waits_in_the_database() -> bool:
        with postgresql_database.read() as connection:
            return bool(
                connection.execute(
                    text(
                        "SELECT count(*) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                ).scalar_one()
            )

    with ThreadPoolExecutor(2) as makers:
        one = makers.submit(plan, office, first, "first")
        assert first_has_read.wait(60)
        other = makers.submit(plan, office, second, "second")
        while not (second_has_read.is_set() or second_waits_in_the_database() or other.done()):
            pass
        had_read = second_has_read.is_set()
        go_on.set()
        plans = one.result(60), other.result(60)
    assert [found.planned.count for found in plans] == [2, 1]
    reason = "stacking" if first == "BTXH" else "lower_already_paid"
    assert reason in {**plans[1].excluded_by, **plans[1].held_by}
    assert not had_read
