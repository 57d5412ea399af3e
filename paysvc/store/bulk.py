"""Columns into tables and out again, without an object per row.

SQLite gets one `executemany` of tuples, PostgreSQL `COPY`. Values bypass SQLAlchemy's type
processing, so they are given as Python natives or NumPy arrays: bytes, str, int, bool, None,
`datetime.date`, aware `datetime` for `Instant` columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import Any

import numpy as np
from sqlalchemy import Boolean, Column, Connection, CursorResult, Date, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from paysvc.core.columns import TextColumn
from paysvc.store.tables import Instant, id_block, instant_text, read_instant

#: A column of values, or one value that every row shares.
Values = Sequence[Any] | np.ndarray[Any, Any] | TextColumn

#: Rows read before they are put into columns: few enough to be gone before they are many.
_READ_AT_ONCE = 20_000


#: Rows of one insert after which PostgreSQL's picture of the table is out of date.
_WORTH_ANALYSING = 10_000


class Same:
    """One value for every row of a bulk write."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


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
    rows = zip(*(_natives(table.c[name], columns[name], count, connection) for name in names), strict=True)
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql or not staged:
        _fill(connection, table.name, names, rows)
        if is_postgresql and count >= _WORTH_ANALYSING:
            _analyse(connection, table, count)
        return count
    temporary, listed = f"bulk_{table.name}", _listed(names)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {temporary} ({listed})")
    _fill(connection, temporary, names, rows)
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
    rows = zip(*(_natives(table.c[name], columns[name], count, connection) for name in names), strict=True)
    # One statement for all rows: on SQLite half the price of one each.
    temporary = f"bulk_{table.name}"
    definitions = ", ".join(f'"{name}" {table.c[name].type.compile(connection.dialect)}' for name in names)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {temporary} ({definitions})")
    _fill(connection, temporary, names, rows)
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


def _natives(column: Column[Any], values: Values | Same, count: int, connection: Connection) -> Iterable[Any]:
    convert = _converter(column, connection)
    if isinstance(values, Same):
        return repeat(values.value if convert is None else convert(values.value), count)
    natives: Sequence[Any]
    if isinstance(values, TextColumn):
        natives = values.to_list()
    elif isinstance(values, np.ndarray):
        natives = values.tolist()
    else:
        natives = values
    return natives if convert is None else map(convert, natives)


def _converter(column: Column[Any], connection: Connection) -> Any:
    if isinstance(column.type, Instant):
        return _instant
    if connection.dialect.name == "sqlite":
        if isinstance(column.type, Date):
            return _iso
        if isinstance(column.type, Boolean):
            return _bit
    return None


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


def _fill(connection: Connection, table: str, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """All rows into a table, in the way of each database."""
    if connection.dialect.name == "postgresql":
        statement = f"COPY {table} ({_listed(names)}) FROM STDIN"
    else:
        statement = f"INSERT INTO {table} ({_listed(names)}) VALUES ({', '.join('?' * len(names))})"
    cursor = connection.connection.cursor()
    try:
        if connection.dialect.name == "postgresql":
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(statement, rows)  # type: ignore[arg-type]
    except Exception as failure:
        raise _translated(connection, statement, failure) from failure
    finally:
        cursor.close()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _translated(connection: Connection, statement: str, failure: Exception) -> Exception:
    """SQLAlchemy's form of a driver's error, so that callers catch one IntegrityError on both."""
    dbapi = connection.dialect.loaded_dbapi
    if not isinstance(failure, dbapi.Error):
        return failure
    return DBAPIError.instance(statement, None, failure, dbapi.Error, dialect=connection.dialect)
