"""The schema is the migrations: bring a database up to date, or say which state it is in."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from paysvc.domain.errors import BadSetting, Conflict, ConnectorUnavailable
from paysvc.store.engine import Database
from paysvc.store.tables import setting


def _scripts() -> Path:
    """`migrations/` of the checkout, or its copy inside the installed package."""
    installed = Path(__file__).parent / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations up to `revision`, in one transaction."""
    with database.write(in_doubt=True) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(database: Database, revision: str) -> None:
    """Run the migrations down to `revision` (`base` is an empty database)."""
    with database.write(in_doubt=True) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def current_revision(database: Database) -> str | None:
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_current(database: Database) -> None:
    """Raise `BadSetting` unless the schema is the one this program was written for.

    Raises `ConnectorUnavailable` when the database does not answer.
    """
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    try:
        found = current_revision(database)
    except DBAPIError as failure:
        raise ConnectorUnavailable("database_unreachable", "The database does not answer.") from failure
    if found != wanted:
        raise BadSetting(
            "schema_not_current",
            f"The database has schema {found or 'none'}; this program needs {wanted}.",
            next_step="Run: paysvc db upgrade",
        )


def start_afresh(database: Database, mark: str) -> None:
    """A database with today's schema and nothing in it but the setting `mark`.

    What an earlier call with the same mark left is taken away. Raises `Conflict` for a
    database that holds anything else.
    """
    if current_revision(database) is not None:
        with database.read() as connection:
            is_ours = connection.execute(select(setting).where(setting.c.name == mark)).first()
        if is_ours is None:
            raise Conflict(
                "database_in_use",
                f"This database was not made for a {mark} and is not touched.",
                next_step="Name an empty database: --database URL.",
            )
        downgrade(database, "base")
    upgrade(database)
    with database.write(in_doubt=True) as connection:
        connection.execute(insert(setting).values(name=mark, value="made by start_afresh"))
