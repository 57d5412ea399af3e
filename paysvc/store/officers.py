"""Officers and their bearer tokens; a token is shown once and only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from paysvc.domain.officers import Officer, Role
from paysvc.store.bulk import next_ids
from paysvc.store.tables import officer, officer_token

#: 256 random bits: guessing is hopeless, so the digest needs no salt and no slow hash.
_TOKEN_BYTES = 32
_TOKEN_PREFIX = "pst_"  # noqa: S105  # a mark by which a leaked token is recognised, not a secret


def count_officers(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(officer)).scalar_one())


def insert_officer(connection: Connection, officer_id: str, role: Role, at: datetime) -> Officer:
    """Raises IntegrityError when the id is taken."""
    connection.execute(insert(officer).values(id=officer_id, role=role.value, created_at=at))
    return Officer(officer_id, role)


def find_officer(connection: Connection, officer_id: str) -> Officer | None:
    """The officer of this id who has not been disabled, or None."""
    row = connection.execute(
        select(officer.c.id, officer.c.role).where(officer.c.id == officer_id, officer.c.disabled_at.is_(None))
    ).first()
    return Officer(row.id, Role(row.role)) if row else None


def list_officers(connection: Connection) -> list[tuple[Officer, datetime, datetime | None]]:
    """Every officer with the times of creation and of disabling."""
    rows = connection.execute(select(officer).order_by(officer.c.id))
    return [(Officer(row.id, Role(row.role)), row.created_at, row.disabled_at) for row in rows]


def disable_officer(connection: Connection, officer_id: str, at: datetime) -> bool:
    """Disable the officer and revoke every token; False when there is no such active officer."""
    changed = connection.execute(
        update(officer).where(officer.c.id == officer_id, officer.c.disabled_at.is_(None)).values(disabled_at=at)
    )
    connection.execute(
        update(officer_token)
        .where(officer_token.c.officer_id == officer_id, officer_token.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return changed.rowcount == 1


def insert_token(connection: Connection, officer_id: str, at: datetime, expires_at: datetime) -> str:
    """A new token of the officer, in the clear; it cannot be read again."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    connection.execute(
        insert(officer_token).values(
            id=next_ids(connection, "officer_token", 1)[0],
            officer_id=officer_id,
            token_sha256=_digest(token),
            created_at=at,
            expires_at=expires_at,
        )
    )
    return token


def officer_of_token(connection: Connection, token: str, at: datetime) -> Officer | None:
    """Whose token this is, if it is valid at this moment and its officer is active; else None."""
    row = connection.execute(
        select(officer.c.id, officer.c.role)
        .join(officer_token, officer_token.c.officer_id == officer.c.id)
        .where(
            officer_token.c.token_sha256 == _digest(token),
            officer_token.c.revoked_at.is_(None),
            officer_token.c.expires_at > at,
            officer.c.disabled_at.is_(None),
        )
    ).first()
    return Officer(row.id, Role(row.role)) if row else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
