"""Tries at handing a file over: each is noted before its first byte leaves, and its end after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Connection, Table, func, insert, select, update

#: A bank's words are kept, but not without end.
_DETAIL_LENGTH = 500


class AttemptOutcome(StrEnum):
    """How one try ended."""

    NOT_SENT = "not_sent"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempts:
    """The tries kept in `table`, by what `of` names: the id of that which is handed over."""

    table: Table
    of: Column[int]

    def start(self, connection: Connection, id_: int, at: datetime) -> int:
        """Note that a try begins; returns its number, from 1."""
        columns = self.table.c
        last = select(func.coalesce(func.max(columns.number), 0)).where(self.of == id_)
        number = 1 + int(connection.execute(last).scalar_one())
        self.insert(connection, id_, number, at)
        return number

    def insert(self, connection: Connection, id_: int, number: int, at: datetime) -> None:
        """Note a try under its number; `start` gives the next one."""
        columns = self.table.c
        connection.execute(insert(self.table).values({self.of: id_, columns.number: number, columns.started_at: at}))

    def finish(
        self, connection: Connection, id_: int, number: int, at: datetime, outcome: AttemptOutcome, detail: str
    ) -> None:
        """Note how a try ended; one that another run has closed meanwhile stays as it was."""
        columns = self.table.c
        connection.execute(
            update(self.table)
            .where(self.of == id_, columns.number == number, columns.outcome.is_(None))
            .values(finished_at=at, outcome=outcome.value, detail=_kept(detail))
        )

    def close_open(self, connection: Connection, id_: int, at: datetime, detail: str) -> None:
        """Tries that never came to an end: nobody knows how they ended."""
        connection.execute(
            update(self.table)
            .where(self.of == id_, self.table.c.outcome.is_(None))
            .values(finished_at=at, outcome=AttemptOutcome.UNKNOWN.value, detail=_kept(detail))
        )

    def first_at(self, connection: Connection, id_: int) -> datetime | None:
        """When bytes may have left for the first time: the bank's memory runs from there."""
        columns = self.table.c
        return connection.execute(
            select(func.min(columns.started_at)).where(
                self.of == id_,
                columns.outcome.is_(None) | (columns.outcome != AttemptOutcome.NOT_SENT.value),
            )
        ).scalar()

    def list_all(self, connection: Connection, id_: int) -> list[tuple[int, str, str]]:
        """Every try in order: its number, its outcome ("" while under way), and the detail."""
        columns = self.table.c
        rows = connection.execute(
            select(columns.number, columns.outcome, columns.detail).where(self.of == id_).order_by(columns.number)
        )
        return [(row.number, row.outcome or "", row.detail) for row in rows]


def _kept(detail: str) -> str:
    # PostgreSQL keeps no NUL, and an answer must not be lost for one.
    return detail.replace("\x00", "")[:_DETAIL_LENGTH]
