"""One person under two numbers is not paid twice, and two people who are alike are both paid; on both databases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.domain.matching import Outcome
from paysvc.domain.registry import ImportKind
from paysvc.domain.registry_units import Unit, UnitLevel
from paysvc.sealing import Sealer
from paysvc.services.import_registry import ImportResult, import_registry
from paysvc.services.match_accounts import match_accounts
from paysvc.services.resolve_accounts import resolve_accounts
from paysvc.services.review_match import accept_match, list_matches, one_person, two_persons
from paysvc.spreadsheets.writing import write_csv
from paysvc.store.engine import Database
from paysvc.store.match_review import MatchToReview
from paysvc.store.tables import audit_event, beneficiary, enrolment, entitlement, instruction, obligation, person_doubt
from paysvc.store.units import upsert_units
from paysvc.store.vault import Vault
from tests.paying_office import APPROVER, MAKER, PayingOffice, practising
from tests.planned_province import AGRIBANK, VIETCOMBANK
from tests.test_import_registry import (
    ACCOUNT,
    ACCOUNT_HEADER,
    CITIZEN,
    HEADER,
    POPULATION_HEADER,
    changed,
)
from tests.test_import_registry import HOA as OF_DECEMBER

HOA = changed(OF_DECEMBER, HEADER, category="NANG", from_period="2026-11")
OLD, NEW = "040150123456", "040150654321"
RENUMBERED = changed(HOA, HEADER, citizen_id=NEW)
KNOWN_AS_NEW = changed(CITIZEN, POPULATION_HEADER, citizen_id=NEW)


class Registering(PayingOffice):
    """An office that imports its lists, each a minute after the one before, and matches."""

    def take(self, kind: ImportKind, *rows: tuple[str, ...]) -> ImportResult:
        headers = {
            ImportKind.BENEFICIARIES: HEADER,
            ImportKind.ACCOUNTS: ACCOUNT_HEADER,
            ImportKind.POPULATION: POPULATION_HEADER,
        }
        self.clock.advance(timedelta(minutes=1))
        content = write_csv(headers[kind], rows)
        return import_registry(self.database, self.sealer, self.vault, self.clock, MAKER, kind, "l.csv", content)

    def enlist(self, *rows: tuple[str, ...]) -> ImportResult:
        return self.take(ImportKind.BENEFICIARIES, *rows)

    def match(self) -> dict[str, int]:
        found = match_accounts(self.database, self.sealer, self.clock, MAKER).outcomes
        return {outcome.value: count for outcome, count in found.items() if count}

    def waiting(self) -> tuple[MatchToReview, ...]:
        wanted = Outcome.MAYBE_SAME_PERSON
        return list_matches(self.database, self.sealer, APPROVER, outcome=wanted).matches

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table)).all())


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> Registering:
    post = practising("POST", "000000", channel="cash")
    banks = BankRegistry([practising("AGRI", AGRIBANK), practising("VCB", VIETCOMBANK), post])
    made = Registering(database, sealer, vault, clock, banks=banks)
    with database.write() as connection:
        province = Unit("40", "Nghệ An", UnitLevel.PROVINCE, None, date(1991, 1, 1), None, "test")
        commune = Unit("40001", "Xã Một", UnitLevel.COMMUNE, "40", date(2025, 7, 1), None, "test")
        upsert_units(connection, [province, commune], [])
    return made


@pytest.fixture
def paid_in_november(office: Registering) -> Registering:
    office.enlist(HOA)
    office.take(ImportKind.ACCOUNTS, ACCOUNT)
    office.take(ImportKind.POPULATION, CITIZEN)
    assert office.match() == {"matched": 1}
    office.pay("2026-11")
    return office


@pytest.fixture
def renumbered(paid_in_november: Registering) -> Registering:
    """December's lists name her under the corrected number, and nothing says that it is the same person."""
    paid_in_november.enlist(RENUMBERED)
    paid_in_november.take(ImportKind.POPULATION, KNOWN_AS_NEW)
    assert paid_in_november.match() == {"matched": 1, "maybe_same_person": 1}
    return paid_in_november


# ---------------------------------------------------------------- held


def test_a_corrected_number_does_not_pay_the_same_person_twice(renumbered: Registering) -> None:
    planned = renumbered.plan("2026-12", periods=["2026-12"])
    assert (planned.planned.count, planned.held.count) == (1, 1)
    assert {reason: figure.count for reason, figure in planned.held_by.items()} == {"maybe_same_person": 1}
    [one] = renumbered.waiting()
    assert [(each.full_name, each.ground) for each in one.others] == [
        ("Nguyễn Thị Hoà", "old_id"),
        ("Nguyễn Thị Hoà", "person"),
    ]
    assert NEW not in repr(one)
    assert OLD not in repr(one)


def test_it_is_held_also_where_nobody_matched_again(paid_in_november: Registering) -> None:
    """She was known under both numbers before they became alike."""
    other = changed(RENUMBERED, HEADER, full_name="Trần Thị Bình", old_id="", channel="Tiền mặt")
    paid_in_november.enlist(other)
    paid_in_november.take(ImportKind.POPULATION, changed(KNOWN_AS_NEW, POPULATION_HEADER, full_name="Trần Thị Bình"))
    assert paid_in_november.match() == {"matched": 1, "no_account": 1}
    paid_in_november.enlist(changed(other, HEADER, full_name="NGUYEN THI HOA"))
    planned = paid_in_november.plan("2026-12")
    assert list(planned.held_by) == ["maybe_same_person"]


@pytest.mark.parametrize(
    "cells", [{"birth": "02/02/1950"}, {"sex": "Nam"}, {"full_name": "Nguyễn Thị Hồng"}, {"programme_code": "NCC"}]
)
def test_who_differs_in_anything_is_somebody_else(paid_in_november: Registering, cells: dict[str, str]) -> None:
    paid_in_november.enlist(changed(RENUMBERED, HEADER, old_id="", **cells))
    assert "maybe_same_person" not in paid_in_november.match()
    assert paid_in_november.rows(person_doubt) == []


def test_programmes_that_exclude_one_another_are_looked_at_together(paid_in_november: Registering) -> None:
    paid_in_november.enlist(changed(RENUMBERED, HEADER, programme_code="HTXH", category="HTXH-75", old_id=""))
    paid_in_november.take(ImportKind.POPULATION, KNOWN_AS_NEW)
    assert paid_in_november.match()["maybe_same_person"] == 1


def test_of_five_who_are_alike_four_wait_and_each_is_decided_once(office: Registering) -> None:
    """Nearly all Bru-Vân Kiều bear one name, and of many old people only the year is known."""
    numbers = [f"04515000000{last}" for last in range(5)]
    ho = {"full_name": "Hồ Thị Lan", "birth": "1950", "old_id": "", "channel": "Tiền mặt"}
    office.enlist(*(changed(HOA, HEADER, citizen_id=number, **ho) for number in numbers))
    facts = {"full_name": "Hồ Thị Lan", "birth": "1950"}
    office.take(ImportKind.POPULATION, *(changed(CITIZEN, POPULATION_HEADER, citizen_id=n, **facts) for n in numbers))
    assert office.match() == {"no_account": 1, "maybe_same_person": 4}
    for decided in range(1, 5):
        found = two_persons(office.database, office.clock, APPROVER, office.waiting()[0].match_id, reason="gặp cả hai")
        assert found.outcome is Outcome.NO_ACCOUNT
        assert office.match().get("maybe_same_person", 0) == 4 - decided
    planned = office.plan("2026-11")
    assert (planned.planned.count, planned.held.count) == (5, 0)
    office.enlist(changed(HOA, HEADER, citizen_id="045150000009", **ho))
    office.take(ImportKind.POPULATION, changed(CITIZEN, POPULATION_HEADER, citizen_id="045150000009", **facts))
    assert office.match() == {"no_account": 5, "maybe_same_person": 1}
    assert len(office.waiting()[0].others) == 5


# ---------------------------------------------------------------- decided


def test_one_person_goes_on_under_the_new_number(renumbered: Registering) -> None:
    [waiting] = renumbered.waiting()
    with pytest.raises(InvalidInput, match="that the outcome names"):
        one_person(
            renumbered.database, renumbered.sealer, renumbered.clock, MAKER, waiting.match_id, reason="x", other_id=99
        )
    found = one_person(
        renumbered.database, renumbered.sealer, renumbered.clock, MAKER, waiting.match_id, reason="sửa số"
    )
    assert found.outcome is Outcome.SAME_PERSON
    planned = renumbered.plan("2026-12")
    # The account is listed under the old number, which is hers still.
    assert [(one.count, one.amount_vnd) for one in (planned.planned, planned.held)] == [(1, 750_000), (0, 0)]
    assert list(planned.sent_through) == [("account", "AGRI")]
    kept, later = sorted(renumbered.rows(beneficiary), key=lambda row: row.id)
    assert (kept.same_as, later.same_as) == (None, kept.id)
    assert kept.citizen_key == renumbered.sealer.blind_index("citizen_id", [NEW])[0]
    assert [row.beneficiary_id for row in renumbered.rows(enrolment) if row.valid_to is None] == [kept.id]
    with renumbered.database.read() as connection:
        events = connection.execute(select(audit_event.c.detail).where(audit_event.c.verb == "review-match")).scalars()
        [told] = events.all()
    assert '"decision":"same_person"' in told
    assert "sửa số" not in told
    # The next list, under either number, changes nothing but the warning.
    again = renumbered.enlist(RENUMBERED)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 1)
    assert renumbered.match() == {"same_person": 1, "matched": 1}


def test_a_month_paid_under_both_is_not_owed_again(paid_in_november: Registering) -> None:
    """Nothing gave it away: the list wrote another name under the new number."""
    office = paid_in_november
    office.enlist(changed(RENUMBERED, HEADER, full_name="Trần Thị Bình", old_id="", from_period="2026-10"))
    office.take(ImportKind.POPULATION, changed(KNOWN_AS_NEW, POPULATION_HEADER, full_name="Trần Thị Bình"))
    office.match()
    december = office.plan("2026-12", periods=["2026-10", "2026-11", "2026-12"])
    assert december.planned.amount_vnd == (1 + 3) * 750_000
    office.approve(december)
    refused = office.enlist(changed(RENUMBERED, HEADER, previous_id=OLD))
    assert [(one.line, one.field, one.code) for one in refused.problems] == [(2, "previous_id", "E216")]
    assert office.match()["maybe_same_person"] == 1
    [waiting] = office.waiting()
    assert [one.ground for one in waiting.others] == ["previous_id"]
    one_person(office.database, office.sealer, office.clock, MAKER, waiting.match_id, reason="một người")
    office.take(ImportKind.POPULATION, KNOWN_AS_NEW)
    office.match()
    # Now that October is said to be due to her, too, it was paid: under the other record.
    office.enlist(changed(RENUMBERED, HEADER, from_period="2026-10"))
    january = office.plan("2027-01", periods=["2026-10", "2027-01"])
    assert (january.planned.count, january.planned.amount_vnd) == (1, 750_000)
    assert {reason: figure.amount_vnd for reason, figure in january.excluded_by.items()} == {"same_person": 750_000}
    assert office.differences() == []


def test_a_decision_about_an_account_is_none_about_a_person(renumbered: Registering) -> None:
    [waiting] = renumbered.waiting()
    with pytest.raises(InvalidInput, match="same person"):
        accept_match(renumbered.database, renumbered.clock, MAKER, waiting.match_id, reason="đúng")
    renumbered.enlist(changed(RENUMBERED, HEADER, full_name="Nguyễn Thị Hòa"))
    with pytest.raises(Conflict, match="changed"):
        two_persons(renumbered.database, renumbered.clock, MAKER, waiting.match_id, reason="khác")


# ---------------------------------------------------------------- said by the list


def test_a_list_with_the_previous_number_moves_the_person(paid_in_november: Registering) -> None:
    office = paid_in_november
    before = {row.id: (row.end_to_end_id, row.amount_vnd) for row in office.rows(instruction)}
    [person] = office.rows(beneficiary)
    taken = office.enlist(changed(RENUMBERED, HEADER, previous_id=OLD))
    assert (taken.added, taken.refused, taken.problems) == (0, 0, [])
    office.take(ImportKind.POPULATION, KNOWN_AS_NEW)
    assert office.match() == {"matched": 1}
    [moved] = office.rows(beneficiary)
    assert (moved.id, moved.first_key) == (person.id, person.citizen_key)
    both = resolve_accounts(office.database, office.sealer, office.clock, MAKER, citizen_ids=[OLD, NEW])
    assert both.outcome == ["matched", "matched"]
    # November stays as it was approved, and nothing of it falls due again.
    assert office.differences() == []
    planned = office.plan("2026-12", periods=["2026-11", "2026-12"])
    assert (planned.planned.count, planned.planned.amount_vnd) == (1, 750_000)
    assert before.items() <= {row.id: (row.end_to_end_id, row.amount_vnd) for row in office.rows(instruction)}.items()
    assert len({(row.programme_code, row.period, row.beneficiary_id) for row in office.rows(obligation)}) == 2
    # A list that still has the old number means her, too.
    late = office.enlist(changed(HOA, HEADER, decision_number="14/QĐ"))
    assert [(one.code, one.field) for one in late.problems] == [("W217", "citizen_id")]
    assert len(office.rows(beneficiary)) == 1


def test_a_move_may_come_after_both_were_enrolled(renumbered: Registering) -> None:
    assert renumbered.enlist(changed(RENUMBERED, HEADER, previous_id=OLD)).problems == []
    assert renumbered.match() == {"same_person": 1, "matched": 1}
    planned = renumbered.plan("2026-12")
    assert (planned.planned.count, planned.held.count, planned.excluded.count) == (1, 0, 0)


@pytest.mark.parametrize(
    ("rows", "complaints"),
    [
        ([changed(RENUMBERED, HEADER, previous_id="040150999999")], [(2, "previous_id", "E215")]),
        ([changed(RENUMBERED, HEADER, previous_id="12345")], [(2, "previous_id", "E214")]),
        (
            [changed(RENUMBERED, HEADER, previous_id=OLD, full_name="Lê Văn Ba", birth="1950-01-02")],
            [(2, "previous_id", "E218")],
        ),
        (
            [
                changed(RENUMBERED, HEADER, previous_id=OLD),
                changed(RENUMBERED, HEADER, citizen_id="040150777777", previous_id=OLD),
            ],
            [(2, "previous_id", "E506"), (3, "previous_id", "E506")],
        ),
        (
            [changed(RENUMBERED, HEADER, previous_id=OLD), changed(HOA, HEADER, previous_id=NEW)],
            [(2, "previous_id", "E506"), (3, "previous_id", "E506")],
        ),
        ([changed(RENUMBERED, HEADER, previous_id=OLD), HOA], [(3, "citizen_id", "E501")]),
    ],
)
def test_what_a_list_cannot_say_is_refused_with_its_place(
    paid_in_november: Registering, rows: list[tuple[str, ...]], complaints: list[tuple[int, str, str]]
) -> None:
    found = paid_in_november.enlist(*rows)
    assert [(one.line, one.field, one.code) for one in found.problems] == complaints
    assert found.refused == len(complaints)
    assert len(paid_in_november.rows(beneficiary)) == 1


# ---------------------------------------------------------------- how an enrolment ends


def test_an_enrolment_ends_with_its_last_month_and_not_by_absence(paid_in_november: Registering) -> None:
    office = paid_in_november
    office.enlist(
        changed(HOA, HEADER, citizen_id="040150777777", full_name="Lê Thị Mai", old_id="", birth="03/02/1950")
    )
    office.match()
    planned = office.plan("2026-12", periods=["2026-12"])
    assert planned.planned.count == 1  # not in December's list, and paid
    office.enlist(changed(HOA, HEADER, to_period="2026-11"))
    ended = office.plan("2026-12", periods=["2026-12"])
    assert ended.planned.count == 0
    assert {row.beneficiary_id for row in office.rows(entitlement) if row.cycle_id == 2}.isdisjoint({1})
