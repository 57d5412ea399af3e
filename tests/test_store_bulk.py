"""Columns into tables and out again."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from paysvc.core.text_column import TextColumn
from paysvc.store.bulk import Same, insert_columns, next_ids, read_columns, read_parts, update_columns
from paysvc.store.engine import Database
from paysvc.store.tables import calendar_override, obligation, programme, rate, setting

from .conftest import NOW

COUNT = 1_000


def test_id_blocks_never_overlap(database: Database) -> None:
    with database.write() as connection:
        first = next_ids(connection, "unit", 3)
        second = next_ids(connection, "unit", 2)
        other = next_ids(connection, "rate", 1)
    assert [*first, *second] == [1, 2, 3, 4, 5]
    assert [*other] == [1]


def test_a_rolled_back_block_is_given_out_again(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:  # noqa: PT012
        next_ids(connection, "unit", 100)
        raise RuntimeError
    with database.write() as connection:
        assert next_ids(connection, "unit", 1)[0] == 1


def test_columns_go_in_and_come_out(database: Database) -> None:
    with database.write() as connection:
        insert_columns(
            connection,
            programme,
            {
                "code": TextColumn.of(f"P{number}" for number in range(COUNT)),
                "name": [f"Chương trình {number}\t\\N\n" for number in range(COUNT)],
                "purpose": Same("SSBE"),
                "fund_code": Same("F"),
                "stacking_group": Same(""),
                "legal_basis": Same("–"),
                "without_account": Same("cash"),
            },
        )
        insert_columns(
            connection,
            rate,
            {
                "id": np.arange(1, COUNT + 1),
                "programme_code": [f"P{number}" for number in range(COUNT)],
                "category": Same("A"),
                "from_period": Same("2026-01"),
                "to_period": Same(None),
                "standard_vnd": np.full(COUNT, 10**13, dtype=np.int64),
                "coefficient_milli": Same(1000),
                "legal_basis": Same("–"),
            },
        )
    with database.read() as connection:
        back = read_columns(connection, select(rate.c.id, rate.c.standard_vnd, rate.c.to_period).order_by(rate.c.id))
        names = read_columns(connection, select(programme.c.name).where(programme.c.code == "P7"))
    assert back == {"id": list(range(1, COUNT + 1)), "standard_vnd": [10**13] * COUNT, "to_period": [None] * COUNT}
    assert names == {"name": ["Chương trình 7\t\\N\n"]}


def test_dates_and_booleans(database: Database) -> None:
    with database.write() as connection:
        insert_columns(
            connection,
            calendar_override,
            {
                "day": [date(2026, 8, 22), date(2026, 8, 31)],
                "is_working_day": [True, False],
                "name": Same("swap"),
                "source": Same("–"),
            },
        )
    with database.read() as connection:
        found = select(calendar_override.c.day, calendar_override.c.is_working_day.label("worked"))
        back = read_columns(connection, found.order_by(calendar_override.c.day))
    assert back == {"day": [date(2026, 8, 22), date(2026, 8, 31)], "worked": [True, False]}
    assert [type(value) for value in back["worked"]] == [bool, bool]


def test_updates_say_how_many_rows_they_found(database: Database) -> None:
    with database.write() as connection:
        insert_columns(connection, setting, {"name": ["a", "b", "c"], "value": Same("0")})
        changed = update_columns(
            connection, setting, ["name"], {"name": ["a", "c", "nobody"], "value": ["1", "3", "9"]}
        )
        assert changed == 2
        assert update_columns(connection, setting, ["name"], {"name": ["b"], "value": Same("2")}) == 1
    with database.read() as connection:
        [part] = read_parts(connection, select(setting.c.name, setting.c.value).order_by(setting.c.name))
        assert [tuple(row) for row in part] == [("a", "1"), ("b", "2"), ("c", "3")]


def test_constraints_speak_one_language_on_both_databases(database: Database) -> None:
    rows = {
        "id": [1],
        "programme_code": ["P"],
        "period": ["2026-12"],
        "beneficiary_id": [999],
        "component": ["monthly"],
        "amount_vnd": [0],
        "created_at": [NOW],
    }
    with pytest.raises(IntegrityError), database.write() as connection:
        insert_columns(connection, obligation, rows)


def test_columns_of_unequal_length_are_refused(database: Database) -> None:
    with database.write() as connection, pytest.raises(ValueError, match="unequal"):
        insert_columns(connection, setting, {"name": ["a", "b"], "value": ["1"]})
