"""Files that banks gave us: kept by digest, decided once, and what the status files said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.bank_interface import SeenFile
from paysvc.domain.errors import Conflict
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.tables import fetched_name, inbound_file, payment_status


class FileState(StrEnum):
    """Where an inbound file stands. PARKED waits for another file or for a batch of ours."""

    STORED = "STORED"
    ACCEPTED = "ACCEPTED"
    QUARANTINED = "QUARANTINED"
    PARKED = "PARKED"
    REPEATED = "REPEATED"


#: What may become of a file; one that was decided is never decided again, or it would count twice.
FILE_NEXT: dict[FileState, frozenset[FileState]] = {
    FileState.STORED: frozenset({FileState.ACCEPTED, FileState.QUARANTINED, FileState.PARKED, FileState.REPEATED}),
    # Looked at again whenever another file came, and parked still: that is no move.
    FileState.PARKED: frozenset({FileState.ACCEPTED, FileState.QUARANTINED, FileState.REPEATED}),
    FileState.ACCEPTED: frozenset(),
    FileState.QUARANTINED: frozenset(),
    FileState.REPEATED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class InboundFile:
    """One file of a bank; its bytes lie in the vault under `sha256`."""

    id: int
    bank_code: str
    name: str
    sha256: bytes
    size: int
    state: FileState


def seen_files(connection: Connection, bank_code: str) -> dict[str, SeenFile]:
    """What this bank gave us last under each name; it need not be fetched again while it is the same."""
    rows = connection.execute(
        select(fetched_name.c.name, inbound_file.c.size, inbound_file.c.sha256)
        .join(inbound_file, inbound_file.c.id == fetched_name.c.inbound_file_id)
        .where(fetched_name.c.bank_code == bank_code)
    )
    return {row.name: SeenFile(row.size, row.sha256) for row in rows}


def store_file(connection: Connection, bank_code: str, name: str, sha256: bytes, size: int, at: datetime) -> bool:
    """Note a fetched file; True when its bytes are new, False when this bank gave them before.

    Either way the name counts as fetched, with these bytes. They must be in the vault already.
    """
    known = connection.execute(
        select(inbound_file.c.id).where(inbound_file.c.bank_code == bank_code, inbound_file.c.sha256 == sha256)
    ).scalar()
    file_id = known
    if file_id is None:
        file_id = next_ids(connection, "inbound_file", 1)[0]
        connection.execute(
            insert(inbound_file).values(
                id=file_id,
                bank_code=bank_code,
                name=name[:255],
                sha256=sha256,
                size=size,
                received_at=at,
                state=FileState.STORED.value,
            )
        )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(fetched_name)
        .values(bank_code=bank_code, name=name[:255], inbound_file_id=file_id)
        .on_conflict_do_update(index_elements=["bank_code", "name"], set_={"inbound_file_id": file_id})
    )
    return known is None


def list_undecided(connection: Connection) -> list[InboundFile]:
    """Files that are STORED or PARKED, in the order in which they came."""
    return _files(
        connection,
        select(inbound_file)
        .where(inbound_file.c.state.in_([FileState.STORED.value, FileState.PARKED.value]))
        .order_by(inbound_file.c.received_at, inbound_file.c.id),
    )


def get_file(connection: Connection, file_id: int) -> InboundFile:
    return _files(connection, select(inbound_file).where(inbound_file.c.id == file_id))[0]


def find_accepted(connection: Connection, bank_code: str, kind: str, bank_message_id: str) -> InboundFile | None:
    """The accepted file of this kind in which the bank used this message id, or None."""
    found = _files(
        connection,
        select(inbound_file)
        .where(
            inbound_file.c.bank_code == bank_code,
            inbound_file.c.kind == kind,
            inbound_file.c.bank_message_id == bank_message_id,
            inbound_file.c.state == FileState.ACCEPTED.value,
        )
        .order_by(inbound_file.c.id)
        .limit(1),
    )
    return found[0] if found else None


def decide_file(
    connection: Connection,
    file: InboundFile,
    state: FileState,
    at: datetime,
    *,
    kind: str = "",
    bank_message_id: str = "",
    reason_code: str = "",
    reason: str = "",
) -> None:
    """Write down what became of a file. Raises `Conflict` when it was decided meanwhile, and
    ValueError for what cannot become of it."""
    is_parked_still = state is file.state is FileState.PARKED
    if not is_parked_still and state not in FILE_NEXT[file.state]:
        raise ValueError(f"a file never goes from {file.state} to {state}")
    moved = connection.execute(
        update(inbound_file)
        .where(inbound_file.c.id == file.id, inbound_file.c.state == file.state.value)
        .values(
            state=state.value,
            kind=kind,
            bank_message_id=bank_message_id[:80],
            decided_at=at,
            reason_code=reason_code[:60],
            reason=reason,
        )
    )
    if moved.rowcount != 1:
        raise Conflict("file_decided", "Another run has decided about this file.")


def insert_statuses(
    connection: Connection,
    file: InboundFile,
    references: Sequence[str],
    instruction_ids: Sequence[int | None],
    statuses: Sequence[str],
    reason_codes: Sequence[str],
    bank_references: Sequence[str],
) -> None:
    """Keep what a status file said of each payment, in the order of the file. Texts fit the columns."""
    insert_columns(
        connection,
        payment_status,
        {
            "inbound_file_id": Same(file.id),
            "position": range(len(references)),
            "reference": references,
            "instruction_id": instruction_ids,
            "status": statuses,
            "reason_code": reason_codes,
            "bank_reference": bank_references,
        },
    )


def _files(connection: Connection, statement: Select[Any]) -> list[InboundFile]:
    return [_file(row) for row in connection.execute(statement)]


def _file(row: Row[Any]) -> InboundFile:
    return InboundFile(row.id, row.bank_code, row.name, row.sha256, row.size, FileState(row.state))
