"""What is due, and who has taken it: `schedule` and `run` are the truth, not any timer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.domain.canonical import canonical_json
from paysvc.store import leases
from paysvc.store.tables import run, schedule

#: The lease of the one process that runs slots.
LEASE = "scheduler"

CLAIMED, DONE, FAILED = "CLAIMED", "DONE", "FAILED"


@dataclass(frozen=True, slots=True)
class Due:
    """A slot whose time has come: run `verb` with `arguments`, once, for `due_at`."""

    schedule_id: str
    verb: str
    arguments: Mapping[str, Any]
    due_at: datetime


def put_schedule(
    connection: Connection,
    schedule_id: str,
    *,
    verb: str,
    arguments: Mapping[str, Any],
    every: timedelta,
    first_due_at: datetime,
    enabled: bool,
) -> None:
    """Insert the schedule, or replace what it says."""
    values = {
        "verb": verb,
        "arguments": canonical_json(arguments).decode(),
        "every_seconds": int(every.total_seconds()),
        "first_due_at": first_due_at,
        "enabled": enabled,
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(schedule)
        .values(id=schedule_id, **values)
        .on_conflict_do_update(index_elements=["id"], set_=values)
    )


def list_schedules(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(schedule).order_by(schedule.c.id)).mappings()]


def due_slots(connection: Connection, now: datetime, token: int) -> list[Due]:
    """The latest slot of every enabled schedule that has come and is not done.

    What an earlier holder of the lease claimed and did not end is due again for the holder of `token`.

    After a time of standing still only the latest missed slot of a schedule is due: the verbs
    look at the whole state of the database, so running them once catches up with everything.
    """
    slots = []
    for row in connection.execute(select(schedule).where(schedule.c.enabled).order_by(schedule.c.id)):
        if row.first_due_at > now:
            continue
        every = timedelta(seconds=row.every_seconds)
        due_at = row.first_due_at + every * ((now - row.first_due_at) // every)
        state = connection.execute(
            select(run.c.state, run.c.token).where(run.c.schedule_id == row.id, run.c.due_at == due_at)
        ).first()
        if state is None or (state.state == CLAIMED and state.token < token):
            slots.append(Due(row.id, row.verb, json.loads(row.arguments), due_at))
    return slots


def claim(connection: Connection, slot: Due, holder: str, token: int, now: datetime) -> bool:
    """Take the slot for the holder of `token`; False when the lease is another's by now, or the slot
    was taken under this token or a later one. The primary key decides between two (U7).
    """
    if not leases.is_held(connection, LEASE, token):
        return False
    taken = {"state": CLAIMED, "claimed_at": now, "claimed_by": holder, "token": token}
    of_slot = (run.c.schedule_id == slot.schedule_id) & (run.c.due_at == slot.due_at)
    if connection.execute(select(run.c.token).where(of_slot)).first() is not None:
        taken_over = update(run).where(of_slot, run.c.state == CLAIMED, run.c.token < token).values(**taken)
        return connection.execute(taken_over).rowcount == 1
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(run).values(schedule_id=slot.schedule_id, due_at=slot.due_at, **taken)
    statement = statement.on_conflict_do_nothing(index_elements=["schedule_id", "due_at"])
    return connection.execute(statement.returning(run.c.token)).first() is not None


def finish(connection: Connection, slot: Due, token: int, now: datetime, state: str, detail: str) -> bool:
    """Record the end of a run; False when the slot was taken over by a later holder of the lease."""
    finished = connection.execute(
        update(run)
        .where(
            run.c.schedule_id == slot.schedule_id,
            run.c.due_at == slot.due_at,
            run.c.state == CLAIMED,
            run.c.token == token,
        )
        .values(state=state, finished_at=now, detail=detail[:2000])
    )
    return finished.rowcount == 1


def recent_runs(connection: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """The latest runs of all schedules, newest first."""
    statement = select(run).order_by(run.c.due_at.desc(), run.c.schedule_id).limit(limit)
    return [dict(row) for row in connection.execute(statement).mappings()]
