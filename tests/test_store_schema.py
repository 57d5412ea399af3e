"""The schema is the migrations, up and down, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from paysvc.store import schema
from paysvc.store.engine import Database
from paysvc.store.tables import metadata


def test_the_migrations_build_exactly_the_tables(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_every_migration_goes_down_and_up_again(database: Database) -> None:
    schema.downgrade(database, "base")
    with database.read() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    schema.upgrade(database)
    schema.require_current(database)
