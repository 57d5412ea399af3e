"""Who did what, in a chain that shows every change."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from paysvc.domain.officers import Officer
from paysvc.store import audit_trail, schema
from paysvc.store.engine import Database

from .conftest import NOW


def three_events(database: Database, actor: Officer) -> None:
    for number in range(3):
        with database.write() as connection:
            audit_trail.append(connection, NOW, actor, "plan-payments", f"2026-1{number}", {"count": number})


def test_a_whole_chain_holds(database: Database, maker: Officer) -> None:
    three_events(database, maker)
    with database.read() as connection:
        assert audit_trail.first_broken_event(connection) is None


@pytest.mark.parametrize("statement", ["UPDATE audit_event SET actor = 'x' WHERE id = 2", "DELETE FROM audit_event"])
def test_the_database_refuses_to_change_history(database: Database, maker: Officer, statement: str) -> None:
    three_events(database, maker)
    with pytest.raises(DatabaseError, match="never"), database.write() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit_event SET actor = 'x' WHERE id = 2", 2),
        ("UPDATE audit_event SET detail = '{}' WHERE id = 1", 1),
        ("DELETE FROM audit_event WHERE id = 1", 2),
    ],
)
def test_who_gets_past_the_rules_is_still_found_out(
    database: Database, maker: Officer, statement: str, broken: int
) -> None:
    three_events(database, maker)
    schema.downgrade(database, "0001")
    with database.write() as connection:
        connection.execute(text(statement))
        assert audit_trail.first_broken_event(connection) == broken
