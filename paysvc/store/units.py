"""Provinces, communes and their successors in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.domain.registry_units import Unit, UnitLevel, Units, UnitSuccessor
from paysvc.store.bulk import next_ids
from paysvc.store.tables import unit, unit_successor


def load_units(connection: Connection) -> Units:
    """Everything that is known of units, past and present."""
    columns = unit.c
    units = [
        Unit(row.code, row.name, UnitLevel(row.level), row.parent_code, row.valid_from, row.valid_to, row.source)
        for row in connection.execute(select(unit).order_by(columns.code, columns.valid_from))
    ]
    successors = [
        UnitSuccessor(row.old_code, row.new_code, row.since, row.source)
        for row in connection.execute(select(unit_successor).order_by(unit_successor.c.old_code))
    ]
    return Units(units, successors)


def upsert_units(connection: Connection, units: Sequence[Unit], successors: Sequence[UnitSuccessor]) -> int:
    """Add units and successors or correct them; returns how many differ from what was there.

    A unit is known by its code and first day, a successor by the old code. Nothing is taken
    away: a unit that ended gets a `valid_to`.
    """
    before = load_units(connection)
    known_units, known_successors = set(before.units), set(before.successors)
    first_days = {(one.code, one.valid_from) for one in before.units}
    changed_units = [one for one in units if one not in known_units]
    fresh = sum((one.code, one.valid_from) not in first_days for one in changed_units)
    ids = iter(next_ids(connection, "unit", fresh))
    rows = [
        # The id of a row that exists already is not used by the upsert.
        {"id": 0 if (one.code, one.valid_from) in first_days else next(ids), **_row(one)}
        for one in changed_units
    ]
    _upsert(connection, unit, ["code", "valid_from"], rows)
    changed_successors = [one for one in successors if one not in known_successors]
    _upsert(
        connection,
        unit_successor,
        ["old_code"],
        [
            {"old_code": one.old_code, "new_code": one.new_code, "since": one.since, "source": one.source}
            for one in changed_successors
        ],
    )
    return len(changed_units) + len(changed_successors)


def _row(one: Unit) -> dict[str, str | date | None]:
    return {
        "code": one.code,
        "name": one.name,
        "level": one.level.value,
        "parent_code": one.parent_code,
        "valid_from": one.valid_from,
        "valid_to": one.valid_to,
        "source": one.source,
    }


def _upsert(connection: Connection, table: Any, keys: list[str], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    targets = {name: statement.excluded[name] for name in rows[0] if name not in keys and name != "id"}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=targets), rows)
