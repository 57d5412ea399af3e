"""Answers that were given once, by officer, route and key; see `web.idempotency`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.store.tables import idempotency_key as keys

#: The status of a key whose first request has not been answered yet.
AT_WORK = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose key, on which route."""

    principal: str
    route: str
    key: str

    def where(self) -> ColumnElement[bool]:
        return and_(keys.c.principal == self.principal, keys.c.route == self.route, keys.c.key == self.key)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a key: the digest of what was asked, and the answer once there is one."""

    body_sha256: bytes
    status: int
    response: str
    created_at: datetime


def claim(connection: Connection, scope: Scope, body_sha256: bytes, at: datetime) -> bool:
    """Take the key; False when it was taken before. The primary key decides."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(keys).values(
        principal=scope.principal,
        route=scope.route,
        key=scope.key,
        body_sha256=body_sha256,
        status=AT_WORK,
        response="",
        created_at=at,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["principal", "route", "key"])
    return connection.execute(statement.returning(keys.c.key)).first() is not None


def recall(connection: Connection, scope: Scope) -> Remembered | None:
    """What is known of the key, locked until the transaction is over."""
    row = connection.execute(select(keys).where(scope.where()).with_for_update()).one_or_none()
    return None if row is None else Remembered(row.body_sha256, row.status, row.response, row.created_at)


def work_again(connection: Connection, scope: Scope, at: datetime) -> None:
    """A key whose first process died is at work again from this moment."""
    connection.execute(update(keys).where(scope.where()).values(created_at=at))


def remember(connection: Connection, scope: Scope, status: int, response: str) -> None:
    """Keep the answer, as long as what it speaks of."""
    connection.execute(update(keys).where(scope.where()).values(status=status, response=response))


def forget(connection: Connection, scope: Scope) -> None:
    """A request that came to nothing leaves its key free."""
    connection.execute(delete(keys).where(scope.where(), keys.c.status == AT_WORK))
