"""A tick runs what is due, once, and survives what fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from paysvc import scheduler
from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed
from paysvc.domain.officers import Officer, Role
from paysvc.scheduler import LEASE, VERBS, Ticker, run_forever, start_in_background
from paysvc.services.acknowledge_books import acknowledge_books
from paysvc.services.check_books import check_books
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.manage_schedules import DEFAULTS, SCHEDULABLE, set_default_schedules, set_schedule
from paysvc.store import audit_trail, cycles, findings, ledger, schedules
from paysvc.store.tables import audit_event
from paysvc.web.app import create_app
from paysvc.wiring import Wiring, wire

from .finished_month import PAYSVC, Demo


@pytest.fixture
def wired(tmp_path: Path, database_url: str, clock: FixedClock) -> Iterator[Wiring]:
    made = wire(read_settings(home=tmp_path / "home", database_url=database_url), clock)
    yield made
    made.close()


def test_every_schedulable_verb_can_be_run() -> None:
    assert set(VERBS) == set(SCHEDULABLE)


def test_a_tick_runs_each_due_slot_once(wired: Wiring, clock: FixedClock, administrator: Officer) -> None:
    set_default_schedules(wired.database, clock, administrator)
    one = Ticker(wired, "one")
    assert one.tick() == len(DEFAULTS)
    assert one.tick() == 0
    clock.advance(timedelta(minutes=1))
    assert one.tick() == 1
    with wired.database.read() as connection:
        assert {run["state"] for run in schedules.recent_runs(connection)} == {schedules.DONE}


def test_one_process_ticks_and_another_takes_over_when_it_is_silent(
    wired: Wiring, clock: FixedClock, administrator: Officer
) -> None:
    set_schedule(
        wired.database, clock, administrator, schedule_id="only", verb="collect-returns", every=timedelta(seconds=10)
    )
    one, two = Ticker(wired, "one"), Ticker(wired, "two")
    assert one.tick() == 1
    clock.advance(LEASE - timedelta(seconds=10))
    assert two.tick() == 0
    assert one.tick() == 1
    clock.advance(LEASE)
    assert two.tick() == 1
    clock.advance(timedelta(seconds=10))
    assert one.tick() == 0
    two.let_go()
    assert one.tick() == 1


def test_a_process_that_was_late_goes_on_when_nobody_came_between(wired: Wiring, clock: FixedClock) -> None:
    one, two = Ticker(wired, "one"), Ticker(wired, "two")
    token = one.hold()
    clock.advance(10 * LEASE)
    assert one.hold() == token
    assert two.hold() is None


def test_what_a_stopped_process_began_is_run_anew_and_its_end_counts_for_nothing(
    wired: Wiring, clock: FixedClock, administrator: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_schedule(
        wired.database, clock, administrator, schedule_id="only", verb="collect-returns", every=timedelta(hours=1)
    )
    one, two = Ticker(wired, "one"), Ticker(wired, "two")
    ran = []

    def stopped(wiring: Wiring, arguments: object) -> str:
        # While this one is stopped, its lease runs out and another runs the slot to its end.
        monkeypatch.setitem(VERBS, "collect-returns", lambda wiring, arguments: "by two")
        clock.advance(LEASE)
        ran.append(two.tick())
        return "by one"

    monkeypatch.setitem(VERBS, "collect-returns", stopped)
    assert one.tick() == 1
    assert ran == [1]
    with wired.database.read() as connection:
        (run,) = schedules.recent_runs(connection)
    assert (run["state"], run["detail"], run["claimed_by"]) == (schedules.DONE, "by two", "two")


def test_a_process_that_lost_the_lease_between_two_slots_runs_no_further_one(
    wired: Wiring, clock: FixedClock, administrator: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        set_schedule(
            wired.database,
            clock,
            administrator,
            schedule_id=f"s{number}",
            verb="collect-returns",
            every=timedelta(hours=1),
        )
    two = Ticker(wired, "two")

    def slow(wiring: Wiring, arguments: object) -> str:
        monkeypatch.setitem(VERBS, "collect-returns", lambda wiring, arguments: "")
        clock.advance(LEASE)
        assert two.hold() is not None
        return ""

    monkeypatch.setitem(VERBS, "collect-returns", slow)
    assert Ticker(wired, "one").tick() == 1
    # The end of the slot that was at work counts, since nobody had begun it anew.
    assert two.tick() == 2


def test_a_verb_that_fails_is_recorded_and_stops_nobody(
    wired: Wiring, clock: FixedClock, administrator: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, verb in enumerate(("collect-returns", "match-accounts")):
        set_schedule(
            wired.database, clock, administrator, schedule_id=f"s{number}", verb=verb, every=timedelta(minutes=5)
        )

    def broken(wiring: Wiring, arguments: object) -> str:
        raise RuntimeError("040150123456")

    monkeypatch.setitem(VERBS, "collect-returns", broken)
    assert Ticker(wired, "one").tick() == 2
    with wired.database.read() as connection:
        runs = {run["schedule_id"]: run for run in schedules.recent_runs(connection)}
    assert (runs["s0"]["state"], runs["s1"]["state"]) == (schedules.FAILED, schedules.DONE)
    assert runs["s0"]["detail"] == "unforeseen: RuntimeError"


def test_a_plan_that_cannot_be_sent_keeps_no_other_waiting(
    wired: Wiring, clock: FixedClock, administrator: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_schedule(
        wired.database, clock, administrator, schedule_id="send", verb="submit-batches", every=timedelta(minutes=5)
    )
    tried = []

    def submit(*parts: object, cycle_code: str) -> None:
        tried.append(cycle_code)
        if cycle_code == "2026-11":
            raise Conflict("plan_differs_from_approval", "The plan of 2026-11 is not the one that was approved.")

    monkeypatch.setattr(scheduler, "submit_batches", submit)
    monkeypatch.setattr(cycles, "codes_to_send", lambda *parts: ["2026-10", "2026-11", "2026-12"])
    assert Ticker(wired, "one").tick() == 1
    assert tried == ["2026-10", "2026-11", "2026-12"]
    with wired.database.read() as connection:
        (run,) = schedules.recent_runs(connection)
    assert (run["state"], run["detail"]) == (
        schedules.FAILED,
        "plans_not_sent: 2026-11: plan_differs_from_approval",
    )


class AtOnce:
    """A timer that runs everything it was given once, in turn, when it is started."""

    def __init__(self, **_: object) -> None:
        self._jobs: list[tuple[Callable[..., object], Sequence[object]]] = []

    def add_job(self, work: Callable[..., object], _: object = None, args: Sequence[object] = (), **__: object) -> None:
        self._jobs.append((work, args))

    def start(self) -> None:
        while self._jobs:
            work, args = self._jobs.pop(0)
            work(*args)


def runs_of(wired: Wiring, schedule_id: str) -> list[tuple[str, str]]:
    """State and first word of each run, the latest first."""
    with wired.database.read() as connection:
        runs = [run for run in schedules.recent_runs(connection) if run["schedule_id"] == schedule_id]
    return [(run["state"], run["detail"].split(":")[0]) for run in runs]


def unexplained_money(wired: Wiring, reference: str) -> None:
    """A deposit that the trail does not know."""
    with wired.database.write() as connection:
        moved = [ledger.Posting(ledger.TREASURY, -5, 1), ledger.Posting(ledger.fund("NS"), 5, 1)]
        ledger.post(connection, wired.clock.now(), "deposit", f"deposit:NS:{reference}", moved)


@pytest.mark.parametrize(
    ("start", "timer"), [(start_in_background, "BackgroundScheduler"), (run_forever, "BlockingScheduler")]
)
def test_the_books_are_looked_at_before_anything_is_sent(
    wired: Wiring,
    clock: FixedClock,
    administrator: Officer,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[Wiring], None],
    timer: str,
) -> None:
    set_default_schedules(wired.database, clock, administrator)
    unexplained_money(wired, "1")
    monkeypatch.setattr(f"paysvc.scheduler.{timer}", AtOnce)
    monkeypatch.setattr("paysvc.scheduler.atexit.register", lambda *_: None)
    start(wired)
    with wired.database.read() as connection:
        event = audit_event.c
        checks = select(event.actor, event.detail).where(event.verb == "check-books").order_by(event.id).limit(1)
        actor, detail = connection.execute(checks).one()
    told = json.loads(detail)
    assert (actor, told["with_files"], list(told["differing"])) == ("system", False, ["accounts"])
    # That it was this one, and not the daily one, which comes after sending.
    assert runs_of(wired, "submit-batches") == [(schedules.FAILED, "books_differ")]
    assert runs_of(wired, "collect-returns") == [
        (schedules.DONE, "0 new file(s), 0 bank(s) unreachable, 0 statement(s) missing")
    ]


def test_sending_goes_on_when_somebody_answers_for_the_books_and_stops_at_the_next_difference(
    wired: Wiring, clock: FixedClock, administrator: Officer, auditor: Officer
) -> None:
    set_schedule(
        wired.database, clock, administrator, schedule_id="send", verb="submit-batches", every=timedelta(minutes=1)
    )
    one = Ticker(wired, "one")

    def look_and_tick(*, with_files: bool = True) -> tuple[str, str]:
        check_books(wired.database, wired.vault, wired.banks, clock, auditor, with_files=with_files)
        clock.advance(timedelta(minutes=1))
        assert one.tick() == 1
        return runs_of(wired, "send")[0]

    going_on, waiting = (schedules.DONE, "0 plan(s)"), (schedules.FAILED, "books_differ")
    assert look_and_tick() == going_on
    with pytest.raises(Conflict, match="nothing that nobody answers for"):
        acknowledge_books(wired.database, clock, administrator, reason="none")
    unexplained_money(wired, "1")
    assert look_and_tick() == waiting
    with pytest.raises(NotAllowed):
        acknowledge_books(wired.database, clock, auditor, reason="mine")
    with pytest.raises(InvalidInput):
        acknowledge_books(wired.database, clock, administrator, reason=" ")
    assert acknowledge_books(wired.database, clock, administrator, reason="letter 12") == ("accounts",)
    assert look_and_tick() == going_on
    assert look_and_tick(with_files=False) == going_on
    unexplained_money(wired, "2")
    assert look_and_tick(with_files=False) == waiting
    add_officer(wired.database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
    token = create_token(wired.database, clock, administrator, officer_id="chief")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
    for _ in range(2):
        answer = (
            create_app(wired)
            .test_client()
            .post("/books/acknowledgement", json={"reason": "letter 13"}, headers=headers)
        )
        assert (answer.status_code, answer.json) == (200, {"equations": ["accounts"]})
    assert look_and_tick(with_files=False) == going_on
    unexplained_money(wired, "3")
    assert look_and_tick(with_files=False) == waiting
    with wired.database.write() as connection:
        # Explained after all: a check that finds nothing is enough.
        for _ in range(3):
            said = ("deposit-fund", "fund:NS", {"amount_vnd": "5"})
            audit_trail.append(connection, clock.now(), administrator, *said)
    assert look_and_tick() == going_on


def test_what_was_answered_for_and_mended_needs_a_new_answer_when_it_comes_back(
    wired: Wiring, clock: FixedClock, auditor: Officer, administrator: Officer
) -> None:
    def told(detail: dict[str, object]) -> dict[str, str]:
        with wired.database.write() as connection:
            audit_trail.append(connection, clock.now(), auditor, "check-books", findings.SUBJECT, detail)
            return findings.standing(connection)

    assert told({"asked": ["accounts", "sent-files"], "differing": {"accounts": "1"}}) == {"accounts": "1"}
    assert acknowledge_books(wired.database, clock, administrator, reason="letter 12") == ("accounts",)
    # It has not gone away: neither by a check of something else, nor while there is more of it.
    assert told({"asked": ["sent-files"], "differing": {}}) == {}
    assert told({"asked": ["accounts"], "differing": {"accounts": "1 and 2"}}) == {"accounts": "1 and 2"}
    assert told({"asked": ["accounts"], "differing": {"accounts": "1"}}) == {}
    assert told({"asked": ["accounts"], "differing": {}}) == {}
    assert told({"asked": ["accounts"], "differing": {"accounts": "1"}}) == {"accounts": "1"}


def test_a_check_of_the_rows_alone_says_nothing_of_the_files(
    wired: Wiring, clock: FixedClock, auditor: Officer
) -> None:
    def told(detail: dict[str, object]) -> list[str]:
        with wired.database.write() as connection:
            audit_trail.append(connection, clock.now(), auditor, "check-books", findings.SUBJECT, detail)
            return sorted(findings.standing(connection))

    assert told({"asked": ["accounts", "sent-files"], "differing": {"sent-files": "1", "accounts": "2"}}) == [
        "accounts",
        "sent-files",
    ]
    assert told({"asked": ["accounts"], "differing": {}}) == ["sent-files"]
    assert told({"asked": ["accounts", "sent-files"], "differing": {}}) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_serve_answers_ticks_and_stops(copied: Demo, tmp_path: Path) -> None:
    """The real server: alive, ready, ticking, and gone when told."""
    port = free_port()
    words = [PAYSVC, "--home", str(copied.home), "serve", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "PAYSVC_LOG_LEVEL": "INFO"})
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
        assert httpx.get(f"{url}/cycles", timeout=5).status_code == 401
        headers = {"Authorization": f"Bearer {copied.token('auditor')}"}
        assert httpx.get(f"{url}/cycles", headers=headers, timeout=5).json()[0]["code"] == "2026-12"
        while not httpx.get(f"{url}/schedules/runs", headers=headers, timeout=5).json():
            assert time.monotonic() < deadline
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
