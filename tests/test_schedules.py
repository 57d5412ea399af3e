"""What is due is in the database, and the primary key says who does it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from paysvc.clock import FixedClock
from paysvc.domain.errors import InvalidInput, NotAllowed
from paysvc.domain.officers import Officer
from paysvc.services.manage_schedules import DEFAULTS, set_default_schedules, set_schedule
from paysvc.store import leases, schedules
from paysvc.store.engine import Database, open_database

from .conftest import NOW

LEASE = timedelta(minutes=10)
EVERY = timedelta(minutes=5)


@pytest.fixture
def collecting(database: Database, clock: FixedClock, administrator: Officer) -> Database:
    set_schedule(database, clock, administrator, schedule_id="collect", verb="collect-returns", every=EVERY)
    return database


def hold(database: Database, clock: FixedClock, holder: str, held: int | None = None) -> int:
    """The token of the lease, which nobody else has."""
    with database.write() as connection:
        token = leases.take(connection, schedules.LEASE, holder, held, clock.now(), LEASE)
    assert token is not None
    return token


def due(database: Database, clock: FixedClock, token: int) -> list[schedules.Due]:
    with database.read() as connection:
        return schedules.due_slots(connection, clock.now(), token)


def claim(database: Database, clock: FixedClock, slot: schedules.Due, token: int) -> bool:
    with database.write() as connection:
        return schedules.claim(connection, slot, "somebody", token, clock.now())


def finish(database: Database, clock: FixedClock, slot: schedules.Due, token: int) -> bool:
    with database.write() as connection:
        return schedules.finish(connection, slot, token, clock.now(), schedules.DONE, "")


def test_a_slot_is_due_until_somebody_has_done_it(collecting: Database, clock: FixedClock) -> None:
    token = hold(collecting, clock, "one")
    [slot] = due(collecting, clock, token)
    assert slot.due_at == NOW
    assert claim(collecting, clock, slot, token)
    assert due(collecting, clock, token) == []
    assert finish(collecting, clock, slot, token)
    assert due(collecting, clock, token) == []


def test_a_slot_cannot_be_claimed_twice(collecting: Database, clock: FixedClock) -> None:
    token = hold(collecting, clock, "one")
    [slot] = due(collecting, clock, token)
    assert claim(collecting, clock, slot, token)
    assert not claim(collecting, clock, slot, token)


def test_missed_slots_are_caught_up_once(collecting: Database, clock: FixedClock) -> None:
    clock.advance(timedelta(hours=3, minutes=2))
    [slot] = due(collecting, clock, 1)
    assert slot.due_at == NOW + timedelta(hours=3)


def test_a_dead_holders_slot_is_taken_over_and_the_dead_cannot_finish_it(
    collecting: Database, clock: FixedClock
) -> None:
    dead = hold(collecting, clock, "dead")
    # Of the slot that is still the latest one when the lease has run out.
    clock.advance(EVERY - timedelta(minutes=2))
    [slot] = due(collecting, clock, dead)
    assert claim(collecting, clock, slot, dead)
    with collecting.write() as connection:
        leases.let_go(connection, schedules.LEASE, dead, clock.now())
    alive = hold(collecting, clock, "alive")
    assert alive > dead
    [again] = due(collecting, clock, alive)
    assert again == slot
    assert not claim(collecting, clock, slot, dead)
    assert claim(collecting, clock, slot, alive)
    assert not finish(collecting, clock, slot, dead)
    assert finish(collecting, clock, slot, alive)
    # What has ended is claimed by nobody, whatever token they have.
    assert not claim(collecting, clock, slot, alive)


def test_a_token_that_is_no_longer_the_leases_claims_nothing(collecting: Database, clock: FixedClock) -> None:
    stale = hold(collecting, clock, "stale")
    [slot] = due(collecting, clock, stale)
    clock.advance(LEASE)
    hold(collecting, clock, "other")
    assert not claim(collecting, clock, slot, stale)


def test_a_clock_that_was_ahead_keeps_nobody_from_the_lease_when_it_is_right_again(
    database: Database, clock: FixedClock
) -> None:
    length, now = timedelta(minutes=2), clock.now()

    def take(holder: str, held: int | None, at: datetime) -> int | None:
        with database.write() as connection:
            return leases.take(connection, "lease", holder, held, at, length)

    first = take("one", None, now)
    assert take("one", first, now + timedelta(days=30)) == first
    assert take("two", None, now + timedelta(days=30)) is None
    assert take("two", None, now + timedelta(minutes=1)) == 2
    assert take("one", first, now + timedelta(minutes=1)) is None


def test_of_many_at_once_one_takes_the_lease(database: Database, clock: FixedClock, database_url: str) -> None:
    taken: list[int] = []
    barrier = threading.Barrier(4)

    def try_it(holder: str) -> None:
        own = open_database(database_url)
        barrier.wait()
        with own.write() as connection:
            token = leases.take(connection, schedules.LEASE, holder, None, clock.now(), LEASE)
        own.close()
        if token is not None:
            taken.append(token)

    threads = [threading.Thread(target=try_it, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [1]


def test_only_verbs_that_need_no_person_can_be_scheduled(
    database: Database, clock: FixedClock, administrator: Officer, maker: Officer
) -> None:
    for verb in ("approve-plan", "submit-plan", "drop-tables"):
        with pytest.raises(InvalidInput):
            set_schedule(database, clock, administrator, schedule_id="x1", verb=verb, every=EVERY)
    with pytest.raises(InvalidInput):
        set_schedule(
            database, clock, administrator, schedule_id="x1", verb="collect-returns", every=timedelta(seconds=1)
        )
    with pytest.raises(NotAllowed):
        set_schedule(database, clock, maker, schedule_id="x1", verb="collect-returns", every=EVERY)


def test_defaults_are_set_once(database: Database, clock: FixedClock, administrator: Officer) -> None:
    set_default_schedules(database, clock, administrator)
    set_schedule(
        database, clock, administrator, schedule_id="submit-batches", verb="submit-batches", every=EVERY, enabled=False
    )
    set_default_schedules(database, clock, administrator)
    with database.read() as connection:
        listed = {row["id"]: row["enabled"] for row in schedules.list_schedules(connection)}
    assert listed == {name: name != "submit-batches" for name, _, _ in DEFAULTS}
