"""Every type of column through the bulk road, at its edges, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    select,
)
from sqlalchemy.exc import DataError, IntegrityError

from paysvc.core.text_column import TextColumn
from paysvc.store.bulk import Same, Values, WithNulls, insert_columns, read_columns, update_columns
from paysvc.store.engine import Database, open_database
from paysvc.store.packed import read_packed
from paysvc.store.tables import Instant, instant_text

every_type = Table(
    "every_type",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("small", SmallInteger),
    Column("number", Integer),
    Column("big", BigInteger),
    Column("is_so", Boolean),
    Column("name", String(40)),
    Column("words", Text),
    Column("at", Instant),
    Column("sealed", LargeBinary),
    Column("day", Date),
)

#: What a column may hold, by name; any of them may be missing.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "small": st.integers(-(2**15), 2**15 - 1),
    "number": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "is_so": st.booleans(),
    "name": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    "words": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "at": st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)),  # noqa: DTZ001
    "sealed": st.binary(),
    "day": st.dates(),
}
EDGES: dict[str, list[Any]] = {
    "small": [-(2**15), 2**15 - 1, 0, None],
    "number": [-(2**31), 2**31 - 1, -1, None],
    "big": [-(2**63), 2**63 - 1, 10**13, None],
    "is_so": [True, False, True, None],
    "name": ["", "Nguyễn Thị Hồng Đào", "x" * 40, None],
    "words": ["\t\\N\n\\.", "𠮷野家", "", None],
    "at": [
        datetime(2026, 12, 5, 1, 0, 0, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 12, 5, tzinfo=UTC),
        None,
    ],
    "sealed": [b"", bytes(range(256)), b"\0", None],
    "day": [date(1, 1, 1), date(1999, 12, 31), date(9999, 12, 31), None],
}


@pytest.fixture
def tables(database: Database) -> Iterator[Database]:
    with database.write() as connection:
        every_type.create(connection)
    yield database
    with database.write() as connection:
        every_type.drop(connection)


def _back(connection: Connection) -> dict[str, list[Any]]:
    return read_columns(connection, select(every_type).order_by(every_type.c.id))


def test_the_edges_of_every_type_come_back(tables: Database) -> None:
    with tables.write() as connection:
        assert insert_columns(connection, every_type, {"id": range(4), **EDGES}) == 4
    with tables.read() as connection:
        assert _back(connection) == {"id": [0, 1, 2, 3], **EDGES}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({name: st.none() | one for name, one in VALUES.items()}), max_size=8))
def test_what_goes_in_comes_out(tables: Database, rows: list[dict[str, Any]]) -> None:
    columns = {"id": list(range(len(rows))), **{name: [row[name] for row in rows] for name in VALUES}}
    with tables.write() as connection:
        connection.execute(every_type.delete())
        assert insert_columns(connection, every_type, columns) == len(rows)
    with tables.read() as connection:
        assert _back(connection) == columns


@pytest.mark.parametrize("position", range(4))
def test_one_value_for_all_rows(tables: Database, position: int) -> None:
    same = {name: Same(values[position]) for name, values in EDGES.items()}
    with tables.write() as connection:
        insert_columns(connection, every_type, {"id": np.arange(3), **same})
    with tables.read() as connection:
        back = _back(connection)
    assert back == {"id": [0, 1, 2], **{name: [values[position]] * 3 for name, values in EDGES.items()}}


def test_columns_of_arrays_and_texts_over_many_blocks(tables: Database) -> None:
    count = 30_000
    numbers = np.arange(count, dtype=np.int64) * 7919 - 10**8
    words = [f"Dòng {row} " + "đồng" * (row % 50) for row in range(count)]
    # One value alone is longer than a block.
    words[777] = "ô" * 2_000_000
    is_null = numbers % 3 == 0
    columns: dict[str, Values] = {
        "id": np.arange(count, dtype=np.int32),
        "small": (numbers % 1000).astype(np.int16),
        "number": WithNulls(numbers, is_null),
        "is_so": numbers % 2 == 0,
        "name": WithNulls(TextColumn.of([f"PS{row}" for row in range(count)]), is_null),
        "words": TextColumn.of(words),
    }
    with tables.write() as connection:
        assert insert_columns(connection, every_type, columns) == count
    with tables.read() as connection:
        back = _back(connection)
    assert back["id"] == list(range(count))
    assert back["small"] == (numbers % 1000).tolist()
    assert back["number"] == [None if none else one for one, none in zip(numbers.tolist(), is_null, strict=True)]
    assert back["is_so"] == (numbers % 2 == 0).tolist()
    assert back["name"] == [None if none else f"PS{row}" for row, none in enumerate(is_null)]
    assert back["words"] == words


@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one_row(tables: Database, count: int) -> None:
    with tables.write() as connection:
        assert insert_columns(connection, every_type, {"id": range(count), "name": ["a"] * count}) == count
    with tables.read() as connection:
        assert _back(connection)["name"] == ["a"] * count


def test_updates_take_every_type(tables: Database) -> None:
    with tables.write() as connection:
        insert_columns(connection, every_type, {"id": range(4)})
        assert update_columns(connection, every_type, ["id"], {"id": [3, 2, 1, 0], **EDGES}) == 4
    with tables.read() as connection:
        assert _back(connection) == {"id": [0, 1, 2, 3], **{name: values[::-1] for name, values in EDGES.items()}}


def test_a_row_that_breaks_a_constraint_leaves_nothing_behind(tables: Database) -> None:
    ids = np.arange(50_000)
    ids[30_000] = 7
    with pytest.raises(IntegrityError), tables.write() as connection:  # noqa: PT012
        insert_columns(connection, every_type, {"id": [50_000], "name": ["before"]})
        insert_columns(connection, every_type, {"id": ids, "name": Same("x" * 40)})
    with tables.read() as connection:
        assert _back(connection)["id"] == []


#: What SQLite would keep as it is, PostgreSQL must refuse: it never reads one kind as another.
MISFITS: list[tuple[str, Any, type[Exception]]] = [
    ("words", ["a\0b"], DataError),
    ("name", ["x" * 41], DataError),
    ("name", TextColumn.of_bytes([b"\xff"]), DataError),
    ("words", [1], TypeError),
    ("words", [b"a"], TypeError),
    ("words", np.array([1]), TypeError),
    ("sealed", ["a"], TypeError),
    ("small", [2**15], DataError),
    ("small", Same(-(2**15) - 1), DataError),
    ("number", np.array([2**31]), DataError),
    ("big", [2**63], DataError),
    ("big", np.array([2**63], dtype=np.uint64), DataError),
    ("big", [2**64], DataError),
    ("big", [1.5], TypeError),
    ("big", ["1"], TypeError),
    ("big", np.array([True]), TypeError),
    ("is_so", [1], TypeError),
    ("is_so", ["t"], TypeError),
    ("day", ["2026-01-01"], TypeError),
    ("day", [datetime(2026, 1, 1, tzinfo=UTC)], TypeError),
    ("at", [datetime(2026, 1, 1)], ValueError),  # noqa: DTZ001
    ("at", [1], TypeError),
]


@pytest.mark.parametrize(
    ("name", "values", "error"), MISFITS, ids=[f"{number} {one[0]}" for number, one in enumerate(MISFITS)]
)
def test_a_value_of_another_kind_is_an_error(
    postgresql_database: Database, name: str, values: Any, error: type[Exception]
) -> None:
    with pytest.raises(error), postgresql_database.write() as connection:  # noqa: PT012
        every_type.create(connection)
        insert_columns(connection, every_type, {"id": [1], name: values})


def test_a_kind_of_column_that_is_not_known_is_an_error(postgresql_database: Database) -> None:
    table = Table("rates", MetaData(), Column("id", Integer, primary_key=True), Column("rate", Float))
    with pytest.raises(TypeError), postgresql_database.write() as connection:  # noqa: PT012
        table.create(connection)
        insert_columns(connection, table, {"id": [1], "rate": [0.5]})


def _packed(connection: Connection) -> dict[str, list[Any]]:
    """As `_back`, by the packed road; times as they are stored, days left out, nothing for NULL."""
    found = read_packed(connection, select(*(column for column in every_type.c if column.name != "day")))
    order = np.argsort(found.numbers("id"))
    numbers = {name: found.numbers(name, 0)[order].tolist() for name in ("id", "small", "number", "big", "is_so")}
    texts = {name: found.texts(name).take(order) for name in ("name", "words", "at", "sealed")}
    return {**numbers, **{name: one.to_bytes_list() for name, one in texts.items()}}


def _as_packed(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    def stored(value: Any) -> bytes:
        if isinstance(value, datetime):
            value = instant_text(value)
        return value.encode() if isinstance(value, str) else value or b""

    numbers = {name: [int(one or 0) for one in columns[name]] for name in ("id", "small", "number", "big", "is_so")}
    return {**numbers, **{name: [stored(one) for one in columns[name]] for name in ("name", "words", "at", "sealed")}}


def test_the_edges_come_back_packed(tables: Database) -> None:
    columns = {"id": [3, 2, 1, 0], **EDGES}
    with tables.write() as connection:
        insert_columns(connection, every_type, columns)
    with tables.read() as connection:
        everything = read_packed(connection, select(every_type.c.id, every_type.c.big, every_type.c.is_so))
        assert _packed(connection) == _as_packed({name: values[::-1] for name, values in columns.items()})
        nothing = read_packed(connection, select(every_type.c.id, every_type.c.name).where(every_type.c.id < 0))
    with pytest.raises(ValueError, match="NULL"):
        everything.numbers("big")
    with pytest.raises(ValueError, match="NULL"):
        everything.flags("is_so")
    assert sorted(everything.numbers("id").tolist()) == [0, 1, 2, 3]
    assert (nothing.count, len(nothing.numbers("id")), len(nothing.texts("name"))) == (0, 0, 0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({name: st.none() | one for name, one in VALUES.items()}), max_size=8))
def test_what_goes_in_comes_out_packed(tables: Database, rows: list[dict[str, Any]]) -> None:
    columns = {"id": list(range(len(rows))), **{name: [row[name] for row in rows] for name in VALUES}}
    with tables.write() as connection:
        connection.execute(every_type.delete())
        insert_columns(connection, every_type, columns)
    with tables.read() as connection:
        assert _packed(connection) == _as_packed(columns)


def test_days_are_not_packed(tables: Database) -> None:
    with tables.read() as connection, pytest.raises(TypeError):
        read_packed(connection, select(every_type.c.day))


def test_text_with_a_nul_is_packed_whole(tmp_path: Path) -> None:
    # PostgreSQL keeps no such text; SQLite does, and may not lose what stands behind the NUL.
    database = open_database(f"sqlite:///{tmp_path / 'nul.db'}")
    with database.write() as connection:
        every_type.create(connection)
        insert_columns(connection, every_type, {"id": [1, 2], "words": ["a\0b", "c"]})
    with database.read() as connection:
        assert read_packed(connection, select(every_type.c.words)).texts("words").to_list() == ["a\0b", "c"]
    database.close()
