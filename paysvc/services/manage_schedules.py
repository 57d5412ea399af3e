"""manage-schedules: which verb runs by itself, how often, and from when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from paysvc.clock import Clock
from paysvc.domain.errors import InvalidInput
from paysvc.domain.officers import Officer, require
from paysvc.store import audit_trail, schedules
from paysvc.store.engine import Database

#: The verbs that may run without an officer at hand; approving is never among them.
SCHEDULABLE = (
    "match-accounts",
    "submit-batches",
    "recall-payments",
    "collect-returns",
    "reconcile-returns",
    "check-books",
)

_SCHEDULE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{1,59}")

#: What a fresh embedded installation does by itself.
DEFAULTS: tuple[tuple[str, str, timedelta], ...] = (
    ("submit-batches", "submit-batches", timedelta(minutes=1)),
    ("recall-payments", "recall-payments", timedelta(minutes=5)),
    ("collect-returns", "collect-returns", timedelta(minutes=5)),
    ("reconcile-returns", "reconcile-returns", timedelta(minutes=5)),
    ("check-books", "check-books", timedelta(days=1)),
)


def set_schedule(
    database: Database,
    clock: Clock,
    actor: Officer,
    *,
    schedule_id: str,
    verb: str,
    every: timedelta,
    first_due_at: datetime | None = None,
    arguments: Mapping[str, Any] | None = None,
    enabled: bool = True,
) -> None:
    """Add or replace a schedule; `every` at least 10 seconds. Raises `InvalidInput`, `NotAllowed`."""
    require(actor, "manage-schedules")
    if not _SCHEDULE_ID.fullmatch(schedule_id):
        raise InvalidInput("schedule_id_malformed", "A schedule id is 2 to 60 of a-z, 0-9, dot, hyphen, underscore.")
    if verb not in SCHEDULABLE:
        raise InvalidInput(
            "verb_not_schedulable", f"'{verb}' cannot run by itself.", next_step="One of: " + ", ".join(SCHEDULABLE)
        )
    if every < timedelta(seconds=10):
        raise InvalidInput("interval_too_short", "A schedule runs at most every 10 seconds.")
    now = clock.now()
    with database.write() as connection:
        schedules.put_schedule(
            connection,
            schedule_id,
            verb=verb,
            arguments=arguments or {},
            every=every,
            first_due_at=first_due_at or now,
            enabled=enabled,
        )
        detail = {"verb": verb, "every_seconds": int(every.total_seconds()), "enabled": enabled}
        audit_trail.append(connection, now, actor, "manage-schedules", schedule_id, detail)


def set_default_schedules(database: Database, clock: Clock, actor: Officer) -> None:
    """The schedules of an embedded installation, where there are none yet."""
    require(actor, "manage-schedules")
    with database.read() as connection:
        if schedules.list_schedules(connection):
            return
    for schedule_id, verb, every in DEFAULTS:
        set_schedule(database, clock, actor, schedule_id=schedule_id, verb=verb, every=every)
