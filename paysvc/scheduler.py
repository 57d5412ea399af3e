"""APScheduler ticks; what the database says is due is run, once, by the process that has the lease.

The timer holds no business state: kill it, start four of it, let it sleep for a week; the
`schedule`, `run` and `lease` tables decide (docs/decisions/0004, U7).
"""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

from paysvc.domain.errors import PaysvcError, Waiting
from paysvc.services.acknowledge_books import require_books
from paysvc.services.check_books import check_books
from paysvc.services.collect_returns import collect_returns
from paysvc.services.manage_officers import SYSTEM_OFFICER
from paysvc.services.match_accounts import match_accounts
from paysvc.services.recall_payments import recall_payments
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.services.submit_batches import submit_batches
from paysvc.store import cycles, leases, schedules
from paysvc.wiring import Wiring

log = structlog.get_logger("paysvc.scheduler")

#: How often the database is asked what is due.
TICK = timedelta(seconds=5)

#: How long a process may be silent before another may take over its slots, and run anew what it began.
LEASE = timedelta(minutes=2)

Verb = Callable[[Wiring, Mapping[str, Any]], str]


def _match_accounts(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = match_accounts(wiring.database, wiring.sealer, wiring.clock, SYSTEM_OFFICER)
    return f"{result.opened} opened, {result.unchanged} unchanged"


def _submit(wiring: Wiring, cycle_code: str) -> None:
    submit_batches(
        wiring.database, wiring.sealer, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER, cycle_code=cycle_code
    )


def _submit_batches(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    # Paying on books that do not add up is worse than paying a day late (docs/decisions/0020).
    require_books(wiring.database)
    with wiring.database.read() as connection:
        waiting = cycles.codes_to_send(connection, wiring.clock.now())
    failed = []
    for code in waiting:
        try:
            _submit(wiring, code)
        except PaysvcError as failure:
            # One plan's trouble is no reason to keep the others waiting.
            failed.append(f"{code}: {failure.code}")
    if failed:
        raise Waiting("plans_not_sent", "; ".join(failed), next_step="Run submit-batches for each to see why.")
    return f"{len(waiting)} plan(s)"


def _recall_payments(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = recall_payments(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    return f"{len(result.recalls)} recall(s) looked at, {len(result.waiting)} waiting"


def _collect_returns(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = collect_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    unreachable, missing = len(result.unreachable), len(result.waiting)
    return f"{len(result.new_files)} new file(s), {unreachable} bank(s) unreachable, {missing} statement(s) missing"


def _reconcile_returns(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = reconcile_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    return f"{len(result.files)} file(s) decided, {len(result.waiting)} waiting"


def _check_books(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    found = check_books(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    found.require_agreement()
    return f"{len(found.examined)} equations hold"


VERBS: dict[str, Verb] = {
    "match-accounts": _match_accounts,
    "submit-batches": _submit_batches,
    "recall-payments": _recall_payments,
    "collect-returns": _collect_returns,
    "reconcile-returns": _reconcile_returns,
    "check-books": _check_books,
}


def process_name() -> str:
    """Who claims: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Ticker:
    """One of the processes that may run slots. It does while the lease is its own."""

    def __init__(self, wiring: Wiring, holder: str) -> None:
        self._wiring, self._holder = wiring, holder
        self._token: int | None = None
        self._asking = Lock()

    def hold(self) -> int | None:
        """Ask for the lease, or go on with it; its token, or None while another process has it."""
        wiring = self._wiring
        with self._asking, wiring.database.write() as connection:
            now = wiring.clock.now()
            self._token = leases.take(connection, schedules.LEASE, self._holder, self._token, now, LEASE)
        return self._token

    def let_go(self) -> None:
        """Another process need not wait for the lease to run out."""
        with self._asking:
            token, self._token = self._token, None
            with self._wiring.database.write() as connection:
                if token is not None:
                    leases.let_go(connection, schedules.LEASE, token, self._wiring.clock.now())

    def tick(self) -> int:
        """Run every slot that is due, if it is for this process to run them; returns how many it ran.

        A verb that fails is recorded with its code and does not stop the others. When the tick itself
        breaks off, the lease is let go: a slot that was claimed, or not recorded as ended, is due again
        only under a later token.
        """
        token, done = self.hold(), 0
        if token is None:
            return done
        try:
            with self._wiring.database.read() as connection:
                slots = schedules.due_slots(connection, self._wiring.clock.now(), token)
            for slot in slots:
                done += self._run_slot(slot, token)
        except BaseException:
            # Where that fails as well, the lease runs out by itself.
            with suppress(Exception):
                self.let_go()
            raise
        return done

    def _run_slot(self, slot: schedules.Due, token: int) -> bool:
        wiring = self._wiring
        with wiring.database.write() as connection:
            if not schedules.claim(connection, slot, self._holder, token, wiring.clock.now()):
                return False
        state, detail = _run(wiring, slot)
        with wiring.database.write() as connection:
            kept = schedules.finish(connection, slot, token, wiring.clock.now(), state, detail)
        log.info("run", schedule=slot.schedule_id, due_at=slot.due_at.isoformat(), state=state, kept=kept)
        return True


def _run(wiring: Wiring, slot: schedules.Due) -> tuple[str, str]:
    try:
        return schedules.DONE, VERBS[slot.verb](wiring, slot.arguments)
    except PaysvcError as failure:
        return schedules.FAILED, f"{failure.code}: {failure.message}"
    except Exception as failure:  # noqa: BLE001  # a tick must survive; the kind is recorded, not the content
        log.error("run failed", schedule=slot.schedule_id, kind=type(failure).__name__)  # noqa: TRY400  # a trace may hold data
        return schedules.FAILED, f"unforeseen: {type(failure).__name__}"


def start_in_background(wiring: Wiring) -> None:
    """Tick in threads beside the API (`paysvc serve`)."""
    _start(BackgroundScheduler(timezone="UTC"), wiring)


def run_forever(wiring: Wiring) -> None:
    """Tick until interrupted (`paysvc scheduler`)."""
    _start(BlockingScheduler(timezone="UTC"), wiring)


def _start(scheduler: BaseScheduler, wiring: Wiring) -> None:
    ticker = Ticker(wiring, process_name())

    def repeat(work: Callable[[], object], every: timedelta) -> None:
        # One tick at a time; ticks that were missed while one was at work are one tick. A long run keeps
        # the lease meanwhile, because asking for it goes on beside it.
        common = {"max_instances": 1, "coalesce": True, "next_run_time": wiring.clock.now()}
        scheduler.add_job(_survive, "interval", args=(work,), seconds=int(every.total_seconds()), **common)

    def begin() -> None:
        # What differs stops the sending, so it is asked before anything is sent.
        _survive(partial(_look_at_the_books, wiring))
        repeat(ticker.tick, TICK)

    repeat(ticker.hold, LEASE / 4)
    scheduler.add_job(begin, next_run_time=wiring.clock.now())
    atexit.register(_survive, ticker.let_go)
    scheduler.start()


def _look_at_the_books(wiring: Wiring) -> None:
    """At every start, of the rows alone; the kept files are read by the schedule."""
    found = check_books(
        wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER, with_files=False
    ).differences
    for one in found:
        log.error("books differ", equation=one.equation, subject=one.subject, expected=one.expected, found=one.found)
    log.info("books checked", differences=len(found))


def _survive(work: Callable[[], object]) -> None:
    """A database that cannot be had now is asked again at the next tick."""
    try:
        work()
    except PaysvcError as failure:
        log.error("no tick", code=failure.code)  # noqa: TRY400  # our own refusals need no trace
    except Exception as failure:  # noqa: BLE001  # the kind is recorded, not the content
        log.error("no tick", kind=type(failure).__name__)  # noqa: TRY400  # a trace may hold data
