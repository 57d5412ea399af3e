"""The files that leave: what is known of their bytes, and every try at handing them over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from paysvc.store.attempts import Attempts
from paysvc.store.batches import Batch
from paysvc.store.bulk import next_ids
from paysvc.store.tables import bank_file, send_attempt

#: Every try at handing over the file of a batch, by the id of the file.
ATTEMPTS = Attempts(send_attempt, send_attempt.c.bank_file_id)


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
