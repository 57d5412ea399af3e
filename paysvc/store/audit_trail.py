"""Who did what: an append-only chain, written in the same transaction as what it records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, text

from paysvc.domain.canonical import canonical_json
from paysvc.domain.officers import Officer
from paysvc.store.bulk import next_ids
from paysvc.store.tables import audit_event, instant_text

#: The hash before the first event.
GENESIS = bytes(32)

Detail = Mapping[str, object]

#: Put together once: it is asked in every transaction that writes.
_HASH_OF = select(audit_event.c.hash).where(audit_event.c.id == bindparam("event_id"))


def event_hash(previous: bytes, at: str, actor: str, verb: str, subject: str, detail: str) -> bytes:
    """SHA-256 over the previous hash and the canonical form of the event."""
    content = canonical_json({"at": at, "actor": actor, "verb": verb, "subject": subject, "detail": detail})
    return hashlib.sha256(previous + content).digest()


def append(connection: Connection, at: datetime, actor: Officer, verb: str, subject: str, detail: Detail) -> None:
    """Add one event to the chain. `detail` must hold no personal data."""
    if connection.dialect.name == "postgresql":
        # The chain has one end: writers queue here until the transaction before them is over.
        connection.execute(text("SELECT pg_advisory_xact_lock(7221406)"))
    event_id = next_ids(connection, "audit_event", 1)[0]
    previous = (
        connection.execute(select(audit_event.c.hash).where(audit_event.c.id == event_id - 1)).scalar() or GENESIS
    )
    stored = canonical_json(detail).decode()
    moment = instant_text(at)
    connection.execute(
        insert(audit_event).values(
            id=event_id,
            at=at,
            actor=actor.officer_id,
            verb=verb,
            subject=subject,
            detail=stored,
            previous_hash=previous,
            hash=event_hash(previous, moment, actor.officer_id, verb, subject, stored),
        )
    )


def head(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the last event; 0 and `GENESIS` while there is none."""
    columns = audit_event.c
    row = connection.execute(select(columns.id, columns.hash).order_by(columns.id.desc()).limit(1)).first()
    return (0, GENESIS) if row is None else (row.id, row.hash)


def last_at(connection: Connection) -> datetime | None:
    """When the last event was, or None while there is none."""
    return connection.execute(select(audit_event.c.at).order_by(audit_event.c.id.desc()).limit(1)).scalar()


def hash_of(connection: Connection, event_id: int) -> bytes | None:
    """The hash of the event with this number, or None when there is none."""
    found: bytes | None = connection.execute(_HASH_OF, {"event_id": event_id}).scalar()
    return found


def first_broken_event(connection: Connection) -> int | None:
    """The id of the first event whose hash or link does not hold, or None when all hold."""
    previous, expected_id = GENESIS, 1
    columns = audit_event.c
    for row in connection.execute(select(audit_event).order_by(columns.id)).mappings():
        computed = event_hash(
            previous, instant_text(row["at"]), row["actor"], row["verb"], row["subject"], row["detail"]
        )
        if row["id"] != expected_id or row["previous_hash"] != previous or row["hash"] != computed:
            return int(row["id"])
        previous, expected_id = row["hash"], expected_id + 1
    return None
