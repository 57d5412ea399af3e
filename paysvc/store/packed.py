"""A query's result in columns without an object per value.

The database joins each column into one value, with the lengths of texts beside it, and
NumPy takes that apart: twice as fast as tuples on SQLite, and hardly any work for Python on
PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    String,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.types import TypeEngine

from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8
from paysvc.store.tables import Instant


@dataclass(slots=True)
class Packed:
    """Equally long columns of one result, by the names of the query.

    All of them are in one order; which one, an aggregate promises nobody: sort by a column
    where it matters.
    """

    count: int
    _numbers: dict[str, Int64] = field(default_factory=dict)
    _texts: dict[str, TextColumn] = field(default_factory=dict)
    _is_null: dict[str, Bool] = field(default_factory=dict)

    def numbers(self, name: str, absent: int | None = None) -> Int64:
        """Whole numbers (and booleans, as 0 and 1), `absent` where there is none; ValueError when that is not given."""
        is_null = self._is_null[name]
        if absent is None and is_null.any():
            raise ValueError(f"the column {name} holds NULL")
        return np.where(is_null, absent or 0, self._numbers[name])

    def flags(self, name: str) -> Bool:
        """Booleans, none of them absent; otherwise ValueError."""
        return self.numbers(name).astype(np.bool_)

    def texts(self, name: str) -> TextColumn:
        """Texts, or byte strings; empty where there is none."""
        return self._texts[name]


def read_packed(connection: Connection, statement: Select[Any]) -> Packed:
    """The result of a query of whole numbers, booleans, texts (instants as they are stored) and bytes.

    A column may take as many bytes as one value of the database: 1 GB, half of it for bytes
    on SQLite; what is longer is the database's error. Raises `TypeError` for other types.
    """
    rows = statement.subquery()
    parts = _parts_of_postgresql if connection.dialect.name == "postgresql" else _parts_of_sqlite
    asked = [part for column in rows.c for part in parts(column)]
    count, *answers = connection.execute(select(func.count(), *asked).select_from(rows)).one()
    packed, answered = Packed(count), iter(answers)
    for column in rows.c:
        name, first, second = str(column.key), next(answered), next(answered)
        if isinstance(column.type, (Integer, Boolean)):
            packed._numbers[name] = _numbers(first, count)
            packed._is_null[name] = _numbers(second, count) != 0
        else:
            packed._texts[name] = _texts(column.type, first, _numbers(second, count))
    return packed


def _parts_of_postgresql(column: ColumnElement[Any]) -> Iterator[ColumnElement[Any]]:
    def joined(numbers: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.string_agg(func.int8send(cast(numbers, BigInteger)), literal(b"", LargeBinary))

    kind = column.type
    if isinstance(kind, (Integer, Boolean)):
        yield joined(func.coalesce(_as_number(column), 0))
        yield joined(_as_number(column.is_(None)))
    else:
        _require_bytes(kind)
        empty = literal(b"", LargeBinary) if isinstance(kind, LargeBinary) else literal("", Text)
        yield func.string_agg(column, empty)
        yield joined(func.coalesce(func.octet_length(column), 0))


def _parts_of_sqlite(column: ColumnElement[Any]) -> Iterator[ColumnElement[Any]]:
    kind = column.type
    if isinstance(kind, (Integer, Boolean)):
        yield func.group_concat(func.coalesce(column, 0))
        yield func.group_concat(column.is_(None))
    else:
        _require_bytes(kind)
        shown = func.hex(column) if isinstance(kind, LargeBinary) else cast(column, Text)
        yield func.group_concat(shown, "")
        yield func.group_concat(func.coalesce(func.length(cast(column, LargeBinary)), 0))


def _as_number(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(column, Integer) if isinstance(column.type, Boolean) else column


def _require_bytes(kind: TypeEngine[Any]) -> None:
    if not isinstance(kind, (String, LargeBinary, Instant)):
        raise TypeError(f"columns of {kind!r} are not packed")


def _numbers(joined: bytes | str | None, count: int) -> Int64:
    """Numbers as either database joins them."""
    if not joined:
        found = np.zeros(0, np.int64)
    elif isinstance(joined, str):
        found = np.fromstring(joined, np.int64, sep=",")
    else:
        found = np.frombuffer(joined, ">i8").astype(np.int64)
    if len(found) != count:
        raise ValueError("a column of numbers came in part")
    return found


def _texts(kind: TypeEngine[Any], joined: bytes | str | None, lengths: Int64) -> TextColumn:
    data: UInt8
    if isinstance(joined, str):
        joined = bytes.fromhex(joined) if isinstance(kind, LargeBinary) else joined.encode()
    data = np.frombuffer(joined or b"", np.uint8)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] != len(data):
        raise ValueError("a column of texts came in part")
    return TextColumn(data, offsets)
