"""Batches and where they stand; every change of state is asked for with the state expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select, text, update

from paysvc.clock import vietnam_day
from paysvc.domain.batching import MadeBatch
from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BATCH_NEXT, INSTRUCTION_NEXT, NOT_LIVE, BatchState, InstructionState, may_follow
from paysvc.store.bulk import Same, in_chunks, insert_columns, next_ids, read_columns, update_columns
from paysvc.store.tables import (
    bank_account,
    bank_file,
    batch,
    dissolved_payment,
    entitlement,
    instruction,
    programme,
    send_attempt,
)

#: How many days a bank may say nothing of a file that it has and whose day is over, before it is asked.
SILENT_DAYS = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """One bank file's worth of instructions, as stored. Amounts in đồng."""

    id: int
    cycle_id: int
    bank_code: str
    part: int
    value_date: date
    count: int
    sum_vnd: int
    content_sha256: bytes
    message_id: str
    state: BatchState
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FundShare:
    """How many payments and how many đồng of a batch one fund pays for."""

    fund_code: str
    channel: str
    count: int
    sum_vnd: int


def queue_for_money(connection: Connection) -> None:
    """Wait until no other transaction is moving payments; held until this one ends.

    SQLite's writers queue already. On PostgreSQL two readers of one statement could each add
    its debits to what they had read before the other wrote.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7221407)"))


def read_planned(connection: Connection, cycle_id: int) -> dict[str, list[Any]]:
    """The instructions of a cycle that are in no batch yet, one list a column."""
    columns = instruction.c
    return _read_payments(
        connection, (columns.cycle_id == cycle_id) & (columns.state == InstructionState.PLANNED.value)
    )


def read_batched(connection: Connection, batch_id: int) -> dict[str, list[Any]]:
    """The instructions of a batch in the order of its file, with the columns of `read_planned`."""
    return _read_payments(connection, instruction.c.batch_id == batch_id, instruction.c.batch_position)


def _read_payments(
    connection: Connection, where: ColumnElement[bool], *order: ColumnElement[Any]
) -> dict[str, list[Any]]:
    columns = instruction.c
    return read_columns(
        connection,
        select(
            columns.id,
            columns.end_to_end_id,
            columns.amount_vnd,
            columns.bank_code,
            columns.creditor_bin,
            columns.creditor_name,
            columns.unit_code,
            programme.c.purpose,
            bank_account.c.account_key,
        )
        .join(entitlement, entitlement.c.id == columns.entitlement_id)
        .join(programme, programme.c.code == entitlement.c.programme_code)
        .outerjoin(bank_account, bank_account.c.id == columns.account_id)
        .where(where)
        .order_by(*order),
    )


def read_dissolved(connection: Connection, batch_id: int) -> dict[str, list[Any]]:
    """What a dissolved batch held, in the order of its file, with the columns of `read_planned`."""
    held = select(dissolved_payment.c.instruction_id, dissolved_payment.c.position).where(
        dissolved_payment.c.batch_id == batch_id
    )
    place = {row.instruction_id: row.position for row in connection.execute(held)}
    found = _read_payments(connection, instruction.c.id.in_(held.with_only_columns(dissolved_payment.c.instruction_id)))
    order = sorted(range(len(found["id"])), key=lambda row: place[found["id"][row]])
    return {name: [values[row] for row in order] for name, values in found.items()}


def used_up(connection: Connection, made: Sequence[MadeBatch]) -> set[str]:
    """The banks for which one of these would say just what a batch said before, under its MsgId."""
    digests = {one.content_sha256: one.bank_code for one in made}
    return {
        digests[found]
        for chunk in in_chunks(list(digests))
        for found in connection.execute(
            select(batch.c.content_sha256).where(batch.c.content_sha256.in_(chunk))
        ).scalars()
    }


def last_part(connection: Connection, cycle_id: int, bank_code: str) -> int:
    """The highest part number of this cycle and bank so far; 0 when there is none."""
    return int(
        connection.execute(
            select(func.coalesce(func.max(batch.c.part), 0)).where(
                batch.c.cycle_id == cycle_id, batch.c.bank_code == bank_code
            )
        ).scalar_one()
    )


def insert_batches(
    connection: Connection, cycle_id: int, made: Sequence[MadeBatch], instruction_ids: Sequence[int], at: datetime
) -> None:
    """Write the batches and put their instructions in: PLANNED → BATCHED, with their places.

    `instruction_ids` are the ids of the planned rows. The caller read them in this
    transaction, after `queue_for_money` and with the cycle's row locked, so that nobody else
    can have moved them. Raises `Conflict` when one of them is gone.
    """
    if not made:
        return
    ids = next_ids(connection, "batch", len(made))
    counts = [len(one.rows) for one in made]
    insert_columns(
        connection,
        batch,
        {
            "id": ids,
            "cycle_id": Same(cycle_id),
            "bank_code": [one.bank_code for one in made],
            "part": [one.part for one in made],
            "value_date": [one.value_date for one in made],
            "count": counts,
            "sum_vnd": [one.sum_vnd for one in made],
            "content_sha256": [one.content_sha256 for one in made],
            "message_id": [one.message_id for one in made],
            "state": Same(BatchState.SEALED.value),
            "version": Same(1),
            "created_at": Same(at),
        },
    )
    rows = np.concatenate([np.array(one.rows, dtype=np.int64) for one in made])
    batched = np.array(instruction_ids, dtype=np.int64)[rows]
    # In the order of the table's rows: its pages are written once, from first to last.
    order = np.argsort(batched)
    moved = update_columns(
        connection,
        instruction,
        ["id"],
        {
            "id": batched[order],
            "state": Same(InstructionState.BATCHED.value),
            "batch_id": np.repeat(np.array(ids, dtype=np.int64), counts)[order],
            "batch_position": np.concatenate([np.arange(count) for count in counts])[order],
        },
    )
    if moved != len(batched):
        raise Conflict("instruction_changed", "A payment of the plan changed while the batches were made.")


def is_silent(now: datetime) -> ColumnElement[bool]:
    """True of a batch that its bank has had for `SILENT_DAYS`, past its day, without a word about any payment.

    Nothing is taken for failed because time passes; but a bank that says nothing is asked.
    """
    since = now - timedelta(days=SILENT_DAYS)
    spoken_of = exists().where(
        instruction.c.batch_id == batch.c.id,
        or_(instruction.c.state != InstructionState.SENT.value, instruction.c.best_status != ""),
    )
    just_left = exists().where(
        bank_file.c.batch_id == batch.c.id,
        send_attempt.c.bank_file_id == bank_file.c.id,
        send_attempt.c.started_at > since,
    )
    is_over = batch.c.value_date < vietnam_day(since)
    return and_(batch.c.state == BatchState.SENT.value, is_over, ~just_left, ~spoken_of)


def is_batch_silent(connection: Connection, batch_id: int, now: datetime) -> bool:
    """Whether the bank has said nothing of this batch; see `is_silent`."""
    return connection.execute(select(exists().where(batch.c.id == batch_id, is_silent(now)))).scalar_one()


def list_batches(connection: Connection, cycle_id: int) -> list[Batch]:
    """The batches of a cycle, by bank and part."""
    return _batches(
        connection, select(batch).where(batch.c.cycle_id == cycle_id).order_by(batch.c.bank_code, batch.c.part)
    )


def list_of_state(connection: Connection, *states: BatchState) -> list[Batch]:
    """The batches of all cycles that are in one of these states, oldest first."""
    wanted = [state.value for state in states]
    return _batches(connection, select(batch).where(batch.c.state.in_(wanted)).order_by(batch.c.id))


def get_batch(connection: Connection, batch_id: int) -> Batch:
    return _batches(connection, select(batch).where(batch.c.id == batch_id))[0]


def find_by_message_id(connection: Connection, bank_code: str, message_id: str) -> Batch | None:
    """The batch that this bank knows by this MsgId, or None."""
    found = _batches(connection, select(batch).where(batch.c.bank_code == bank_code, batch.c.message_id == message_id))
    return found[0] if found else None


def move_batch(connection: Connection, one: Batch, after: BatchState, **also: object) -> Batch:
    """The batch moved on, with these columns `also`. Raises `Conflict` when somebody moved it since it was read."""
    if not may_follow(BATCH_NEXT, one.state, after):
        raise Conflict("batch_cannot_move", f"The batch {one.message_id} is {one.state} and cannot become {after}.")
    moved = connection.execute(
        update(batch)
        .where(batch.c.id == one.id, batch.c.state == one.state.value, batch.c.version == one.version)
        .values(state=after.value, version=one.version + 1, **also)
    )
    if moved.rowcount != 1:
        raise Conflict("batch_changed", f"The batch {one.message_id} changed while it was being worked on.")
    return get_batch(connection, one.id)


def move_instructions(connection: Connection, batch_id: int, after: InstructionState, expected: int) -> None:
    """Every instruction of the batch moved on, in one statement; those already there stay.

    Raises `Conflict` unless all `expected` instructions of the batch are `after` then.
    """
    before = [one for one, nexts in INSTRUCTION_NEXT.items() if after in nexts]
    values: dict[str, object] = {"state": after.value}
    if {one in NOT_LIVE for one in before} != {after in NOT_LIVE}:
        values["is_live"] = after not in NOT_LIVE
    connection.execute(
        update(instruction)
        .where(instruction.c.batch_id == batch_id, instruction.c.state.in_([one.value for one in before]))
        .values(values)
    )
    there = connection.execute(
        select(func.count()).where(instruction.c.batch_id == batch_id, instruction.c.state == after.value)
    ).scalar_one()
    if there != expected:
        raise Conflict("batch_torn", "A batch holds payments that cannot go where the batch goes.")


def refuse_instructions(connection: Connection, batch_id: int, reason_code: str) -> None:
    """Note on every instruction of the batch that the bank refused the file, and why."""
    connection.execute(
        update(instruction).where(instruction.c.batch_id == batch_id).values(is_refused=True, reason_code=reason_code)
    )


def fund_shares(connection: Connection, batch_id: int) -> list[FundShare]:
    """What each fund pays of a batch, ordered by fund."""
    rows = connection.execute(
        select(
            programme.c.fund_code,
            instruction.c.channel,
            func.count(),
            func.sum(instruction.c.amount_vnd),
        )
        .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
        .join(programme, programme.c.code == entitlement.c.programme_code)
        .where(instruction.c.batch_id == batch_id)
        .group_by(programme.c.fund_code, instruction.c.channel)
        .order_by(programme.c.fund_code, instruction.c.channel)
    )
    return [FundShare(fund, channel, int(count), int(amount)) for fund, channel, count, amount in rows]


def _batches(connection: Connection, statement: Select[Any]) -> list[Batch]:
    return [_batch(row) for row in connection.execute(statement)]


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        id=row.id,
        cycle_id=row.cycle_id,
        bank_code=row.bank_code,
        part=row.part,
        value_date=row.value_date,
        # `count` is a method of every row.
        count=row._mapping["count"],
        sum_vnd=row.sum_vnd,
        content_sha256=row.content_sha256,
        message_id=row.message_id,
        state=BatchState(row.state),
        version=row.version,
        created_at=row.created_at,
    )
