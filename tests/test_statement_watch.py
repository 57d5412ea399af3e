"""A statement that does not come is missed by somebody, whatever else the bank says (crash point C23)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from paysvc.clock import FixedClock
from paysvc.domain.payment_dates import DecidedDay, WorkingCalendar
from paysvc.domain.statement_watch import WatchedAccount, missing_day
from paysvc.missing_statements import find_missing_statements
from paysvc.sealing import Sealer
from paysvc.services.collect_returns import Collection
from paysvc.store.calendar import write_decided_days
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from tests.payment_world import World, make_world, statement_file, statement_of, status_file

OPENING = 10_000_000
#: Friday 2026-12-04 is the day for which the world's payments are; 24 November 2026 is a holiday.
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2026, 12, day) for day in (4, 7, 8, 9))
CALENDAR = WorkingCalendar(frozenset({date(2026, 11, 24)}), 2025, 2027)


@pytest.fixture
def world(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> World:
    """Two payments at one bank, for Friday the 4th of December."""
    world = make_world(database, sealer, vault, clock, AGRI={}).approve(("AGRI", 500_000), ("AGRI", 750_000))
    assert world.submit().is_complete
    return world


def on(world: World, day: date, hour: int = 5) -> Collection:
    world.clock.set(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
    return world.collect()


def said(found: Collection) -> list[tuple[str, str]]:
    return [(one.code, str(one).split(".")[0]) for one in found.waiting]


def missing(day: date) -> list[tuple[str, str]]:
    return [("statement_missing", f"Bank AGRI has given no statement of account ••••0001 for {day}")]


def of_day(day: date, opening: int, *entries: list[Any], number: int | None = None) -> dict[str, Any]:
    text = day.isoformat()
    return statement_of(f"ST{text}", number or day.day, opening, list(entries), **{"from": text, "to": text})


def debit(world: World, number: int) -> list[Any]:
    one = world.references()[number]
    return [one, world.payments()[one]["amount_vnd"], True, f"D{number}"]


def account(covered: tuple[date, date] | None, due: date | None, *, later: bool = False, earlier: bool = False) -> Any:
    return WatchedAccount(covered[0] if covered else None, covered[1] if covered else None, due, later, earlier)


@pytest.mark.parametrize(
    ("watched", "last_quiet_day", "missed"),
    [
        # None ever came: two banking days after the day of the payment have to be over.
        (account(None, FRIDAY), TUESDAY, FRIDAY),
        (account(None, date(2026, 12, 5)), WEDNESDAY, MONDAY),
        # The last one closed on the day, and did not show the payment.
        (account((FRIDAY, FRIDAY), FRIDAY), TUESDAY, MONDAY),
        # Before it: a bank gives one for each banking day, also where nothing was booked.
        (account((date(2026, 12, 1), date(2026, 12, 2)), FRIDAY), FRIDAY, date(2026, 12, 3)),
        # The holiday is no banking day.
        (account((date(2026, 11, 20), date(2026, 11, 20)), date(2026, 11, 20)), date(2026, 11, 25), date(2026, 11, 23)),
    ],
)
def test_two_banking_days_may_pass(watched: WatchedAccount, last_quiet_day: date, missed: date) -> None:
    assert missing_day(watched, last_quiet_day, CALENDAR) is None
    assert missing_day(watched, date.fromordinal(last_quiet_day.toordinal() + 1), CALENDAR) == missed


def test_a_gap_is_missing_at_once_and_what_is_booked_is_waited_for_no_more() -> None:
    assert missing_day(account((FRIDAY, FRIDAY), None), date(2027, 12, 1), CALENDAR) is None
    assert missing_day(account((FRIDAY, FRIDAY), None, later=True), FRIDAY, CALENDAR) == MONDAY
    assert missing_day(account((MONDAY, MONDAY), None, earlier=True), MONDAY, CALENDAR) == FRIDAY


def test_a_bank_that_gives_status_files_and_no_statement_is_missed(world: World) -> None:
    (batch,) = world.submit().batches
    words = [(one, "ACSC", "", "") for one in world.references()]
    world.receive(status_file("S1", batch.message_id, words))
    assert on(world, TUESDAY).is_complete
    # Midnight in Vietnam, not in Greenwich.
    assert said(on(world, TUESDAY, hour=17)) == missing(FRIDAY)
    found = on(world, WEDNESDAY)
    assert (said(found), found.is_complete) == (missing(FRIDAY), False)
    # It stands until the statement has come, and until all is booked.
    statement = of_day(FRIDAY, OPENING, debit(world, 0))
    world.receive(statement_file("M1", statement))
    assert said(on(world, WEDNESDAY)) == missing(MONDAY)
    world.receive(statement_file("M2", of_day(MONDAY, statement["closing"], debit(world, 1), number=5)))
    assert on(world, date(2027, 3, 1)).is_complete


def test_a_day_that_was_declared_free_does_not_count(world: World) -> None:
    with world.database.write() as connection:
        write_decided_days(connection, [DecidedDay(TUESDAY, False, "Nghỉ bù", "Thông báo")])
    assert on(world, WEDNESDAY).is_complete
    assert said(on(world, date(2026, 12, 10))) == missing(FRIDAY)


def test_a_file_that_left_late_is_waited_for_from_then_on(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    world = make_world(database, sealer, vault, clock, AGRI={}).approve(("AGRI", 500_000))
    clock.set(datetime(2026, 12, 14, 3, tzinfo=UTC))
    assert world.submit().is_complete
    assert on(world, date(2026, 12, 16)).is_complete
    assert said(on(world, date(2026, 12, 17))) == missing(date(2026, 12, 14))


def test_what_did_not_leave_or_was_refused_needs_no_statement(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    world = make_world(database, sealer, vault, clock, AGRI={}).approve(("AGRI", 500_000))
    assert on(world, date(2027, 1, 4)).is_complete
    world.submit()
    world.receive(status_file("S1", "", [(world.references()[0], "RJCT", "AC04", "")]))
    assert on(world, date(2027, 2, 1)).is_complete


def test_a_disputed_payment_needs_the_statement(world: World) -> None:
    words = [[(one, status, "", "") for one in world.references()] for status in ("ACSC", "RJCT")]
    world.receive(status_file("S1", "", words[0]), status_file("S2", "", words[1]))
    assert said(on(world, WEDNESDAY)) == missing(FRIDAY)


@pytest.mark.parametrize("is_numbered", [True, False])
def test_a_statement_that_waits_for_another_names_the_missing_day(world: World, is_numbered: bool) -> None:
    first = of_day(FRIDAY, OPENING, debit(world, 0), number=1)
    second = of_day(MONDAY, first["closing"], debit(world, 1), number=2)
    third = of_day(TUESDAY, second["closing"], ["", 1_000, False, "X1"], number=3)
    if not is_numbered:
        first, second, third = ({**one, "sequence": None} for one in (first, second, third))
    (_, parked) = world.receive(statement_file("M1", first), statement_file("M3", third)).files
    assert "of 2026-12-04 (" in parked.reason
    assert "of 2026-12-08 (" in parked.reason
    assert said(on(world, TUESDAY)) == missing(MONDAY)
    world.receive(statement_file("M2", second))
    assert on(world, date(2027, 1, 4)).is_complete


def test_a_statement_before_the_first_names_the_missing_day_as_well(world: World) -> None:
    first = of_day(FRIDAY, OPENING, debit(world, 0), number=1)
    second = of_day(MONDAY, first["closing"], number=2)
    third = of_day(TUESDAY, second["closing"], debit(world, 1), number=3)
    found = world.receive(statement_file("M3", third), statement_file("M1", first))
    assert [one.code for one in found.files] == ["", "earlier_statement_missing"]
    assert said(on(world, TUESDAY)) == missing(MONDAY)
    world.receive(statement_file("M2", second))
    assert on(world, date(2027, 1, 4)).is_complete


def test_an_old_payment_that_was_never_booked_is_not_forgotten_among_later_ones(world: World) -> None:
    """What is in transit is looked for from the last batch back, until all of it is found."""
    statement = of_day(FRIDAY, OPENING, debit(world, 1))
    world.receive(statement_file("M1", statement))
    with world.database.read() as connection:
        (one,) = find_missing_statements(connection, world.banks, datetime(2028, 6, 1, tzinfo=UTC))
    assert (one.bank_code, one.account, one.day) == ("AGRI", "••••0001", MONDAY)
