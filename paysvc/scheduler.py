"""APScheduler ticks; what the database says is due is run, once, by whoever claims it first.

The timer holds no business state: kill it, start four of it, let it sleep for a week; the
`schedule` and `run` tables decide (docs/decisions/0004, U7).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

from paysvc.domain.errors import PaysvcError
from paysvc.services.collect_returns import collect_returns
from paysvc.services.manage_officers import SYSTEM_OFFICER
from paysvc.services.match_accounts import match_accounts
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.services.submit_batches import submit_batches
from paysvc.store import cycles, schedules
from paysvc.wiring import Wiring

log = structlog.get_logger("paysvc.scheduler")

#: How often the database is asked what is due.
TICK = timedelta(seconds=5)

#: How long a claimed run may take before another process may take it over.
LEASE = timedelta(hours=1)

Verb = Callable[[Wiring, Mapping[str, Any]], str]


def _match_accounts(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = match_accounts(wiring.database, wiring.sealer, wiring.clock, SYSTEM_OFFICER)
    return f"{result.opened} opened, {result.unchanged} unchanged"


def _submit_batches(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    with wiring.database.read() as connection:
        waiting = cycles.codes_to_send(connection)
    for code in waiting:
        submit_batches(
            wiring.database, wiring.sealer, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER, cycle_code=code
        )
    return f"{len(waiting)} plan(s)"


def _collect_returns(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = collect_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    return f"{len(result.new_files)} new file(s), {len(result.unreachable)} bank(s) unreachable"


def _reconcile_returns(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
    result = reconcile_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    return f"{len(result.files)} file(s) decided, {len(result.waiting)} waiting"


VERBS: dict[str, Verb] = {
    "match-accounts": _match_accounts,
    "submit-batches": _submit_batches,
    "collect-returns": _collect_returns,
    "reconcile-returns": _reconcile_returns,
}


def process_name() -> str:
    """Who claims: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_due(wiring: Wiring, holder: str) -> int:
    """Run every slot that is due and that nobody else has; returns how many this call ran.

    A verb that fails is recorded with its code and does not stop the others.
    """
    with wiring.database.read() as connection:
        slots = schedules.due_slots(connection, wiring.clock.now())
    done = 0
    for slot in slots:
        with wiring.database.write() as connection:
            if not schedules.claim(connection, slot, holder, wiring.clock.now(), LEASE):
                continue
        state, detail = _run(wiring, slot)
        with wiring.database.write() as connection:
            kept = schedules.finish(connection, slot, holder, wiring.clock.now(), state, detail)
        log.info("run", schedule=slot.schedule_id, due_at=slot.due_at.isoformat(), state=state, kept=kept)
        done += 1
    return done


def _run(wiring: Wiring, slot: schedules.Due) -> tuple[str, str]:
    try:
        return schedules.DONE, VERBS[slot.verb](wiring, slot.arguments)
    except PaysvcError as failure:
        return schedules.FAILED, f"{failure.code}: {failure.message}"
    except Exception as failure:  # noqa: BLE001  # a tick must survive; the kind is recorded, not the content
        log.error("run failed", schedule=slot.schedule_id, kind=type(failure).__name__)  # noqa: TRY400
        return schedules.FAILED, f"unforeseen: {type(failure).__name__}"


def start_in_background(wiring: Wiring) -> BaseScheduler:
    """Tick in a thread beside the API (`paysvc serve`)."""
    scheduler = BackgroundScheduler(timezone="UTC")
    _add_tick(scheduler, wiring)
    scheduler.start()
    return scheduler


def run_forever(wiring: Wiring) -> None:
    """Tick until interrupted (`paysvc scheduler`)."""
    scheduler = BlockingScheduler(timezone="UTC")
    _add_tick(scheduler, wiring)
    scheduler.start()


def _add_tick(scheduler: BaseScheduler, wiring: Wiring) -> None:
    # One tick at a time; ticks that were missed while one was at work are one tick.
    scheduler.add_job(
        run_due,
        "interval",
        seconds=int(TICK.total_seconds()),
        args=(wiring, process_name()),
        max_instances=1,
        coalesce=True,
        next_run_time=wiring.clock.now(),
    )
