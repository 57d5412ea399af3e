"""What is due is in the database, and the primary key says who does it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from paysvc.clock import FixedClock
from paysvc.domain.errors import InvalidInput, NotAllowed
from paysvc.domain.officers import Officer
from paysvc.services.manage_schedules import DEFAULTS, set_default_schedules, set_schedule
from paysvc.store import schedules
from paysvc.store.engine import Database, open_database

from .conftest import NOW

LEASE = timedelta(minutes=10)
EVERY = timedelta(minutes=5)


@pytest.fixture
def collecting(database: Database, clock: FixedClock, administrator: Officer) -> Database:
    set_schedule(database, clock, administrator, schedule_id="collect", verb="collect-returns", every=EVERY)
    return database


def due(database: Database, clock: FixedClock) -> list[schedules.Due]:
    with database.read() as connection:
        return schedules.due_slots(connection, clock.now())


def claim(database: Database, clock: FixedClock, slot: schedules.Due, holder: str) -> bool:
    with database.write() as connection:
        return schedules.claim(connection, slot, holder, clock.now(), LEASE)


def finish(database: Database, clock: FixedClock, slot: schedules.Due, holder: str) -> bool:
    with database.write() as connection:
        return schedules.finish(connection, slot, holder, clock.now(), schedules.DONE, "")


def test_a_slot_is_due_until_somebody_has_done_it(collecting: Database, clock: FixedClock) -> None:
    [slot] = due(collecting, clock)
    assert slot.due_at == NOW
    assert claim(collecting, clock, slot, "one")
    assert due(collecting, clock) == []
    assert finish(collecting, clock, slot, "one")
    assert due(collecting, clock) == []


def test_a_slot_cannot_be_claimed_twice(collecting: Database, clock: FixedClock) -> None:
    [slot] = due(collecting, clock)
    assert claim(collecting, clock, slot, "one")
    assert not claim(collecting, clock, slot, "two")


def test_missed_slots_are_caught_up_once(collecting: Database, clock: FixedClock) -> None:
    clock.advance(timedelta(hours=3, minutes=2))
    [slot] = due(collecting, clock)
    assert slot.due_at == NOW + timedelta(hours=3)


def test_a_dead_holders_slot_is_taken_over_and_the_dead_cannot_finish_it(
    collecting: Database, clock: FixedClock
) -> None:
    [slot] = due(collecting, clock)
    assert claim(collecting, clock, slot, "dead")
    # The lease runs out while the same slot is still the latest one.
    with collecting.write() as connection:
        connection.execute(schedules.run.update().values(lease_until=NOW))
    [again] = due(collecting, clock)
    assert again == slot
    assert claim(collecting, clock, slot, "alive")
    assert not finish(collecting, clock, slot, "dead")
    assert finish(collecting, clock, slot, "alive")


def test_many_at_once_claim_one_slot_once(collecting: Database, clock: FixedClock, database_url: str) -> None:
    [slot] = due(collecting, clock)
    claimed: list[str] = []
    barrier = threading.Barrier(4)

    def try_it(holder: str) -> None:
        own = open_database(database_url)
        barrier.wait()
        with own.write() as connection:
            if schedules.claim(connection, slot, holder, clock.now(), LEASE):
                claimed.append(holder)
        own.close()

    threads = [threading.Thread(target=try_it, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1


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
