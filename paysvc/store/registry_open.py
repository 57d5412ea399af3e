"""Rows found again by key: the keys of a file in a temporary table, and what is open under each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Select, String, Table, select, text

from paysvc.store.bulk import Same, insert_columns, read_columns


@dataclass(frozen=True, slots=True)
class OpenVersion:
    """The open version of a key: its id, its digest, and the file that said so."""

    id: int
    digest: bytes
    file_id: int


wanted_key = Table(
    "wanted_key",
    MetaData(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    Column("bank_bin", String(6), nullable=False),
    prefixes=["TEMPORARY"],
)


def open_versions(
    connection: Connection, table: Table, joined: Any, keys: Sequence[bytes], bins: Sequence[str] | None = None
) -> list[OpenVersion | None]:
    """The open version of each key in `table`, joined to the wanted keys as `joined` says, or None."""
    found: list[OpenVersion | None] = [None] * len(keys)
    if is_empty(connection, table):
        return found
    want(connection, keys, bins)
    statement: Select[Any] = (
        select(wanted_key.c.position, table.c.id, table.c.row_digest, table.c.import_file_id)
        .join_from(wanted_key, table, joined)
        .where(table.c.valid_to.is_(None))
    )
    place(found, read_columns(connection, statement))
    return found


def is_empty(connection: Connection, table: Table) -> bool:
    """True when nothing can be found in the table: the first file of a kind is spared the look-up."""
    return connection.execute(select(table.c.id).limit(1)).first() is None


def place(found: list[OpenVersion | None], columns: Mapping[str, Sequence[Any]]) -> None:
    """Put what a query over the wanted keys brought where its position says."""
    for position, *version in zip(
        columns["position"], columns["id"], columns["row_digest"], columns["import_file_id"], strict=True
    ):
        found[position] = OpenVersion(*version)


def want(connection: Connection, keys: Sequence[bytes], bins: Sequence[str] | None = None) -> None:
    """Make these the wanted keys, at their positions."""
    connection.execute(text("DROP TABLE IF EXISTS wanted_key"))
    wanted_key.create(connection, checkfirst=False)
    insert_columns(
        connection,
        wanted_key,
        {"position": range(len(keys)), "key": keys, "bank_bin": Same("") if bins is None else bins},
    )
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE wanted_key"))


def drop_wanted(connection: Connection) -> None:
    """Take the temporary table away again; its keys are nobody else's business."""
    connection.execute(text("DROP TABLE IF EXISTS wanted_key"))
