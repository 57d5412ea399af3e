"""What the equation of states asks of dissolved batches: nothing of them can have left, and what they held is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from paysvc.domain.batching import batch_sha256
from paysvc.domain.books import MOST_NAMED, Difference, Equation
from paysvc.domain.instructions import BatchState
from paysvc.store import batches
from paysvc.store.attempts import AttemptOutcome
from paysvc.store.tables import (
    bank_file,
    batch,
    dissolved_payment,
    instant_text,
    instruction,
    payment_cycle,
    send_attempt,
)


def dissolved(connection: Connection, told: Mapping[str, str]) -> Iterator[Difference]:
    """Each dissolved batch against its digest, its tries, and the moment of which the trail tells (MsgId -> that)."""
    rows = connection.execute(
        select(batch, payment_cycle.c.code)
        .join(payment_cycle, payment_cycle.c.id == batch.c.cycle_id)
        .where(or_(batch.c.state == BatchState.DISSOLVED.value, batch.c.dissolved_at.is_not(None)))
        .order_by(batch.c.id)
    ).all()
    for row in rows:
        subject = f"batch {row.message_id}"
        at = instant_text(row.dissolved_at) if row.dissolved_at else "never"
        if at != told.get(row.message_id, "never"):
            yield Difference(
                Equation.STATES, subject, f"dissolved at {told.get(row.message_id, 'no time')}", f"dissolved at {at}"
            )
        tries = _tries_that_may_have_left(connection, row.id)
        if tries:
            yield Difference(Equation.STATES, subject, "never left", f"{tries} tries of which that is not sure")
        live = connection.execute(
            select(func.count()).select_from(instruction).where(instruction.c.batch_id == row.id)
        ).scalar_one()
        if live:
            yield Difference(Equation.STATES, subject, "no payments any more", f"{live}")
        if not _is_what_it_held(connection, row):
            yield Difference(Equation.STATES, subject, "the payments that it was made of", "others")
    yield from _held_by_no_dissolved_batch(connection)


def _tries_that_may_have_left(connection: Connection, batch_id: int) -> int:
    outcome = send_attempt.c.outcome
    return int(
        connection.execute(
            select(func.count())
            .select_from(send_attempt)
            .join(bank_file, bank_file.c.id == send_attempt.c.bank_file_id)
            .where(bank_file.c.batch_id == batch_id)
            .where(or_(outcome.is_(None), outcome != AttemptOutcome.NOT_SENT.value))
        ).scalar_one()
    )


def _is_what_it_held(connection: Connection, row: Row[Any]) -> bool:
    """A batch says by its digest of what it was made."""
    held = batches.read_dissolved(connection, row.id)
    figures = (len(held["id"]), sum(held["amount_vnd"]))
    # `count` is a method of every row.
    if not held["id"] or figures != (row._mapping["count"], row.sum_vnd):
        return False
    return bool(batch_sha256(row.code, row.bank_code, row.value_date, held) == row.content_sha256)


def _held_by_no_dissolved_batch(connection: Connection) -> Iterator[Difference]:
    held = dissolved_payment.c
    rows = connection.execute(
        select(batch.c.message_id, func.count())
        .select_from(dissolved_payment)
        .outerjoin(batch, batch.c.id == held.batch_id)
        .where(or_(batch.c.id.is_(None), batch.c.state != BatchState.DISSOLVED.value))
        .group_by(batch.c.message_id)
        .order_by(batch.c.message_id)
        .limit(MOST_NAMED)
    )
    for message_id, count in rows:
        subject = f"batch {message_id}" if message_id else "no batch"
        yield Difference(Equation.STATES, subject, "not dissolved", f"{count} payments that it is said to have held")
