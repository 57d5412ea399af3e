"""The files that leave: what is known of their bytes, and every try at handing them over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from paysvc.store.batches import Batch
from paysvc.store.bulk import next_ids
from paysvc.store.tables import bank_file, send_attempt

#: A bank's words are kept, but not without end.
_DETAIL_LENGTH = 500


class AttemptOutcome(StrEnum):
    """How one try ended."""

    NOT_SENT = "not_sent"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A bank file whose bytes lie in the vault under `sha256`."""

    id: int
    batch_id: int
    name: str
    message_id: str
    sha256: bytes
    size: int
    count: int
    sum_vnd: int


def find_file(connection: Connection, batch_id: int) -> StoredFile | None:
    """The file of a batch, or None while its bytes have not been written."""
    row = connection.execute(select(bank_file).where(bank_file.c.batch_id == batch_id)).first()
    if row is None:
        return None
    values = row._mapping
    return StoredFile(
        id=row.id,
        batch_id=row.batch_id,
        name=row.name,
        message_id=row.message_id,
        sha256=row.sha256,
        size=row.size,
        count=values["count"],
        sum_vnd=row.sum_vnd,
    )


def insert_file(
    connection: Connection, batch: Batch, name: str, sha256: bytes, size: int, written_by: str, at: datetime
) -> None:
    """Note the bytes of a batch's file; safety rule U4 keeps the note as it is for ever."""
    connection.execute(
        insert(bank_file).values(
            id=next_ids(connection, "bank_file", 1)[0],
            batch_id=batch.id,
            bank_code=batch.bank_code,
            name=name,
            message_id=batch.message_id,
            sha256=sha256,
            size=size,
            count=batch.count,
            sum_vnd=batch.sum_vnd,
            written_by=written_by,
            created_at=at,
        )
    )


def start_attempt(connection: Connection, bank_file_id: int, at: datetime) -> int:
    """Note that a try begins; returns its number, from 1."""
    number = 1 + int(
        connection.execute(
            select(func.coalesce(func.max(send_attempt.c.number), 0)).where(send_attempt.c.bank_file_id == bank_file_id)
        ).scalar_one()
    )
    insert_attempt(connection, bank_file_id, number, at)
    return number


def insert_attempt(connection: Connection, bank_file_id: int, number: int, at: datetime) -> None:
    """Note a try under its number; `start_attempt` gives the next one."""
    connection.execute(insert(send_attempt).values(bank_file_id=bank_file_id, number=number, started_at=at))


def finish_attempt(
    connection: Connection, bank_file_id: int, number: int, at: datetime, outcome: AttemptOutcome, detail: str
) -> None:
    """Note how a try ended; one that another run has closed meanwhile stays as it was."""
    connection.execute(
        update(send_attempt)
        .where(
            send_attempt.c.bank_file_id == bank_file_id,
            send_attempt.c.number == number,
            send_attempt.c.outcome.is_(None),
        )
        .values(finished_at=at, outcome=outcome.value, detail=_kept(detail))
    )


def close_open_attempts(connection: Connection, bank_file_id: int, at: datetime, detail: str) -> None:
    """Tries that never came to an end: nobody knows how they ended."""
    connection.execute(
        update(send_attempt)
        .where(send_attempt.c.bank_file_id == bank_file_id, send_attempt.c.outcome.is_(None))
        .values(finished_at=at, outcome=AttemptOutcome.UNKNOWN.value, detail=_kept(detail))
    )


def first_attempt_at(connection: Connection, bank_file_id: int) -> datetime | None:
    """When bytes of this file may have left for the first time: the bank's memory runs from there."""
    return connection.execute(
        select(func.min(send_attempt.c.started_at)).where(
            send_attempt.c.bank_file_id == bank_file_id,
            send_attempt.c.outcome.is_(None) | (send_attempt.c.outcome != AttemptOutcome.NOT_SENT.value),
        )
    ).scalar()


def _kept(detail: str) -> str:
    # PostgreSQL keeps no NUL, and an answer must not be lost for one.
    return detail.replace("\x00", "")[:_DETAIL_LENGTH]


def list_attempts(connection: Connection, bank_file_id: int) -> list[tuple[int, str, str]]:
    """Every try in order: its number, its outcome ("" while under way), and the detail."""
    rows = connection.execute(
        select(send_attempt.c.number, send_attempt.c.outcome, send_attempt.c.detail)
        .where(send_attempt.c.bank_file_id == bank_file_id)
        .order_by(send_attempt.c.number)
    )
    return [(row.number, row.outcome or "", row.detail) for row in rows]
