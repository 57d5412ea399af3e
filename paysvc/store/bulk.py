"""Columns into tables and out again, without an object per row.

SQLite gets statements of many rows each, PostgreSQL a binary `COPY`. Values bypass SQLAlchemy's
type processing, so they are given as they are stored: `TextColumn` and NumPy arrays, or lists
of bytes, str, int, bool, None, `datetime.date`, aware `datetime` for `Instant` columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice, repeat
from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER
from typing import Any

import numpy as np
from sqlalchemy import Boolean, Column, Connection, CursorResult, Date, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from paysvc.core.text_column import Bool, TextColumn
from paysvc.store.tables import Instant, id_block, instant_text, read_instant

#: Rows read before they are put into columns: few enough to be gone before they are many.
_READ_AT_ONCE = 20_000


#: Rows that one statement gives to SQLite: beginning and ending a statement costs more than a row (measured:
#: half the time of a statement a row, and no less with more of them).
_ROWS_IN_A_STATEMENT = 64

#: A list of ids in a statement stays below every database's limit of bound values.
_CHUNK = 500

#: Rows of one insert after which PostgreSQL's picture of the table is out of date.
_WORTH_ANALYSING = 10_000


class Same:
    """One value for every row of a bulk write."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


@dataclass(frozen=True, slots=True, eq=False)
class WithNulls:
    """A column in which rows may have nothing: where `is_null` is True, what the value is counts for nothing."""

    values: np.ndarray[Any, Any] | TextColumn
    is_null: Bool

    def __len__(self) -> int:
        return len(self.values)


#: A column of values.
Values = Sequence[Any] | np.ndarray[Any, Any] | TextColumn | WithNulls


def next_ids(connection: Connection, name: str, count: int) -> range:
    """A block of `count` fresh ids of the table `name`, never given out again.

    The block is taken inside the caller's transaction: what is rolled back was never used.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(id_block)
        .values(name=name, next_id=1 + count)
        .on_conflict_do_update(index_elements=["name"], set_={"next_id": id_block.c.next_id + count})
        .returning(id_block.c.next_id)
    )
    after = connection.execute(statement).scalar_one()
    return range(after - count, after)


def in_chunks(ids: Iterable[Any]) -> Iterator[list[Any]]:
    """Lists of at most so many ids as one statement can hold."""
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def insert_columns(
    connection: Connection, table: Table, columns: Mapping[str, Values | Same], *, staged: bool = False
) -> int:
    """Insert rows given as columns of equal length; returns how many.

    `staged` pays for many rows of a table with several indexes, and most where an insert
    trigger guards it: on SQLite every statement then keeps a journal of its own, which costs
    more than the row, so the rows are gathered in a temporary table and inserted by one statement.

    Raises what the database raises when a constraint says no (IntegrityError through
    SQLAlchemy on SQLite, psycopg's own errors on PostgreSQL inside COPY).
    """
    names = list(columns)
    count = _common_length(columns.values())
    if count == 0:
        return 0
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql or not staged:
        _fill(connection, table.name, table, columns, count)
        if is_postgresql and count >= _WORTH_ANALYSING:
            _analyse(connection, table, count)
        return count
    temporary, listed = f"bulk_{table.name}", _listed(names)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {temporary} ({listed})")
    _fill(connection, temporary, table, columns, count)
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {temporary}")
    connection.exec_driver_sql(f"DROP TABLE {temporary}")
    return count


def _analyse(connection: Connection, table: Table, added: int) -> None:
    """Let PostgreSQL look at a table that is now much larger than it believes.

    What comes next asks about these rows long before the server looks at them by itself; it
    would plan as for an empty table (measured: 20 s for one reading of a province).
    """
    believed = connection.exec_driver_sql(f"SELECT reltuples FROM pg_class WHERE oid = '{table.name}'::regclass")
    if 2 * added > believed.scalar_one():
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def update_columns(
    connection: Connection, table: Table, keys: Sequence[str], columns: Mapping[str, Values | Same]
) -> int:
    """Set the columns not in `keys` in the rows named by `keys`; returns how many rows changed.

    The caller compares the count with what it expected (safety rule U9).
    """
    names = list(columns)
    count = _common_length(columns.values())
    if count == 0:
        return 0
    # One statement for all rows: on SQLite half the price of one each.
    temporary = f"bulk_{table.name}"
    definitions = ", ".join(f'"{name}" {table.c[name].type.compile(connection.dialect)}' for name in names)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {temporary} ({definitions})")
    _fill(connection, temporary, table, columns, count)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {temporary}")
    assignments = ", ".join(f'"{name}" = b."{name}"' for name in names if name not in keys)
    conditions = " AND ".join(f't."{name}" = b."{name}"' for name in keys)
    result = connection.exec_driver_sql(
        f"UPDATE {table.name} AS t SET {assignments} FROM {temporary} AS b WHERE {conditions}"
    )
    changed = int(result.rowcount)
    connection.exec_driver_sql(f"DROP TABLE {temporary}")
    return changed


def read_columns(connection: Connection, statement: Select[Any]) -> dict[str, list[Any]]:
    """The result of a query as one list per column: the values that were written, as Python has them."""
    names = [str(column.key) for column in statement.selected_columns]
    columns: list[list[Any]] = [[] for _ in names]
    with connection.execute(statement) as result:
        for part in _fetched(result):
            for column, values in zip(columns, zip(*part, strict=True), strict=True):
                column.extend(values)
    readers = (_reader(column.type, connection) for column in statement.selected_columns)
    return {
        name: values if reader is None else [None if value is None else reader(value) for value in values]
        for name, values, reader in zip(names, columns, readers, strict=True)
    }


def read_parts(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
    """The rows of a query in parts, as tuples in the driver's natives; never all of them in memory."""
    if connection.dialect.name == "postgresql":
        # Otherwise the driver holds the whole result before it hands out the first row.
        statement = statement.execution_options(stream_results=True, max_row_buffer=_READ_AT_ONCE)
        yield from connection.execute(statement).partitions(_READ_AT_ONCE)
        return
    with connection.execute(statement) as result:
        yield from _fetched(result)


def _fetched(result: CursorResult[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    # Past SQLAlchemy's row objects, which cost a third of the reading.
    while part := result.cursor.fetchmany(_READ_AT_ONCE):
        yield part


def _common_length(columns: Iterable[Values | Same]) -> int:
    lengths = {len(values) for values in columns if not isinstance(values, Same)}
    if len(lengths) != 1:
        raise ValueError(f"columns of unequal length: {sorted(lengths)}")
    return lengths.pop()


def _natives(column: Column[Any], values: Values | Same, count: int) -> Iterable[Any]:
    """The values as SQLite's driver takes them."""
    convert = _converter(column)
    if isinstance(values, Same):
        return repeat(values.value if convert is None else convert(values.value), count)
    natives = _listed_values(values)
    return natives if convert is None else map(convert, natives)


def _listed_values(values: Values) -> Sequence[Any]:
    if isinstance(values, WithNulls):
        return [
            None if is_null else value
            for value, is_null in zip(_listed_values(values.values), values.is_null.tolist(), strict=True)
        ]
    if isinstance(values, TextColumn):
        return values.to_list()
    return values.tolist() if isinstance(values, np.ndarray) else values


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, Instant):
        return _instant
    if isinstance(column.type, Date):
        return _iso
    return _bit if isinstance(column.type, Boolean) else None


def _reader(kind: TypeEngine[Any], connection: Connection) -> Callable[[Any], Any] | None:
    """From the driver's native to what `_converter` was given."""
    if isinstance(kind, Instant):
        return read_instant
    if connection.dialect.name == "sqlite":
        if isinstance(kind, Date):
            return date.fromisoformat
        if isinstance(kind, Boolean):
            return bool
    return None


def _instant(value: datetime | str | None) -> str | None:
    return instant_text(value) if isinstance(value, datetime) else value


def _iso(value: date | str | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def _bit(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _fill(connection: Connection, into: str, table: Table, columns: Mapping[str, Values | Same], count: int) -> None:
    """All rows into the table `into`, whose columns are those of `table`, in the way of each database."""
    is_postgresql = connection.dialect.name == "postgresql"
    listed = _listed(list(columns))
    statement = (
        f"COPY {into} ({listed}) FROM STDIN (FORMAT BINARY)" if is_postgresql else f"INSERT INTO {into} ({listed})"
    )
    cursor = connection.connection.cursor()
    try:
        if is_postgresql:
            _copy(cursor, statement, table, columns, count)
        else:
            _insert(cursor, statement, table, columns, count)
    except Exception as failure:
        raise _translated(connection, statement, failure) from failure
    finally:
        cursor.close()


def _insert(cursor: Any, statement: str, table: Table, columns: Mapping[str, Values | Same], count: int) -> None:
    rows = zip(*(_natives(table.c[name], values, count) for name, values in columns.items()), strict=True)
    values = chain.from_iterable(rows)
    most = cursor.connection.getlimit(SQLITE_LIMIT_VARIABLE_NUMBER) // len(columns)
    together = min(_ROWS_IN_A_STATEMENT, most, count)
    row = f"({', '.join('?' * len(columns))})"

    def of(number: int) -> str:
        return f"{statement} VALUES {', '.join([row] * number)}"

    width = together * len(columns)
    cursor.executemany(of(together), (tuple(islice(values, width)) for _ in range(count // together)))
    if count % together:
        cursor.execute(of(count % together), tuple(values))


def _copy(cursor: Any, statement: str, table: Table, columns: Mapping[str, Values | Same], count: int) -> None:
    # Imported here: only PostgreSQL needs the compiled code, and SQLite's users need not wait for it.
    from paysvc.core.copy_rows import NO_NULLS, copy_blocks
    from paysvc.store.copy_fields import field_of, same_field

    fields = []
    for name, values in columns.items():
        kind = table.c[name].type
        if isinstance(values, Same):
            fields.append(same_field(kind, values.value))
        elif isinstance(values, WithNulls):
            fields.append(field_of(kind, values.values, values.is_null))
        else:
            fields.append(field_of(kind, values, NO_NULLS))
    with cursor.copy(statement) as copy:
        for block in copy_blocks(fields, count):
            copy.write(block)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _translated(connection: Connection, statement: str, failure: Exception) -> Exception:
    """SQLAlchemy's form of a driver's error, so that callers catch one IntegrityError on both."""
    dbapi = connection.dialect.loaded_dbapi
    if not isinstance(failure, dbapi.Error):
        return failure
    return DBAPIError.instance(statement, None, failure, dbapi.Error, dialect=connection.dialect)
