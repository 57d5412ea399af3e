"""A whole database as one file while others write to it, and back into an empty one."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, func, inspect, select, text
from sqlalchemy.pool import NullPool

from paysvc.domain.errors import BadSetting, Conflict, ConnectorUnavailable
from paysvc.durable import sync_folder
from paysvc.failpoints import reach
from paysvc.store import audit_trail
from paysvc.store.engine import Database
from paysvc.store.tables import (
    audit_event,
    bank_file,
    bank_letter,
    bank_statement,
    batch,
    beneficiary,
    import_file,
    inbound_file,
    instruction,
    ledger_transaction,
    lost_file,
    report,
)

SQLITE, POSTGRESQL = "sqlite", "postgresql"

#: Where Debian keeps the programs of each version of PostgreSQL.
_VERSIONS = Path("/usr/lib/postgresql")

_COUNTED = (beneficiary, instruction, batch, bank_file, inbound_file, bank_statement, ledger_transaction, report)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a copy of a database says of itself. `digests` are of files that must be in the vault."""

    schema: str
    events: int
    head: bytes
    counts: Mapping[str, int]
    digests: frozenset[bytes]


def kind_of(database: Database) -> str:
    """`sqlite` or `postgresql`."""
    return POSTGRESQL if database.is_postgresql else SQLITE


def copy_out(database: Database, target: Path) -> Facts:
    """Copy everything into the new file `target`, as of one moment; others may go on writing.

    On disk when this returns. Raises `BadSetting` when PostgreSQL's programs are not there,
    `ConnectorUnavailable` when they fail.
    """
    facts = _dump(database, target) if database.is_postgresql else _copy(database, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    reach("copied")
    return facts


def read_facts(database: Database) -> Facts:
    """What the database says of itself now."""
    with database.read() as connection:
        return _facts(connection)


def require_empty(database: Database) -> None:
    """Raise `Conflict` unless there is no table in the database."""
    if not is_empty(database):
        raise Conflict(
            "database_not_empty",
            "A backup is put back only into an empty database, and this one is not.",
            next_step="Name an empty one, or move this one away first and keep it: what it knows may be needed.",
        )


def is_empty(database: Database) -> bool:
    """Whether there is no table in the database."""
    with database.read() as connection:
        return not inspect(connection).get_table_names()


def put_in(database: Database, source: Path) -> None:
    """Put a file of `copy_out` into an empty database of the same kind: all of it or nothing.

    Raises `ConnectorUnavailable` when PostgreSQL's programs fail, `BadSetting` when they are not there.
    """
    if database.is_postgresql:
        _restore(database, source)
        return
    path = sqlite_path(database)
    beside = path.with_name(f"{path.name}.restoring")
    with source.open("rb") as given, beside.open("wb") as made:
        beside.chmod(0o600)
        shutil.copyfileobj(given, made)
        made.flush()
        os.fsync(made.fileno())
    reach("copied")
    # Nobody here goes on with the empty file. What journals lay beside it SQLite took away when it was opened.
    database.engine.dispose()
    beside.rename(path)
    reach("renamed")
    sync_folder(path.parent)


def sqlite_path(database: Database) -> Path:
    """Where the file of an SQLite database lies."""
    return Path(str(database.engine.url.database))


def _facts(connection: Connection) -> Facts:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BadSetting(
            "schema_not_current", "There is no schema in the database.", next_step="Run: paysvc db upgrade"
        )
    events, head = audit_trail.head(connection)
    counts = {
        one.name: int(connection.execute(select(func.count()).select_from(one)).scalar_one())
        for one in (*_COUNTED, audit_event)
    }
    digests: set[bytes] = set()
    for table in (bank_file, inbound_file, import_file):
        digests.update(connection.execute(select(table.c.sha256)).scalars())
    digests.update(connection.execute(select(bank_letter.c.scan_sha256)).scalars())
    # Of those that officers answer for the bytes may be lost as well.
    digests.update(connection.execute(select(lost_file.c.sha256).where(lost_file.c.settled_at.is_(None))).scalars())
    return Facts(revision, events, head, counts, frozenset(digests))


def _copy(database: Database, target: Path) -> Facts:
    """SQLite's own copying, all pages in one step: writers wait for the end of it, and the copy is of one moment."""
    with (
        closing(sqlite3.connect(sqlite_path(database), timeout=60)) as source,
        closing(sqlite3.connect(target)) as made,
    ):
        source.backup(made)
        # The copy is one file, whatever the journal of the original is.
        made.execute("PRAGMA journal_mode = DELETE")
    engine = create_engine(f"sqlite:///{target}", poolclass=NullPool)
    with engine.connect() as connection:
        return _facts(connection)


def _dump(database: Database, target: Path) -> Facts:
    """`pg_dump` in the snapshot of a transaction of ours, in which the facts are read as well."""
    with database.read() as connection:
        facts = _facts(connection)
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        words = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}"]
        _run("pg_dump", database.engine, connection, words)
    return facts


def _restore(database: Database, source: Path) -> None:
    with database.engine.connect() as connection:
        words = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source)]
        _run("pg_restore", database.engine, connection, words)
    reach("restored")
    # What the planner knows of the tables is not in the file.
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    reach("analysed")


def _run(program: str, engine: Engine, connection: Connection, words: list[str]) -> None:
    """Run a program of PostgreSQL on the database that the connection is to. The password is told in its
    environment, where other users cannot see it."""
    driver: Any = connection.connection.dbapi_connection
    found = _program(program, driver.info.server_version // 10_000)
    # What the address says, and not what the driver made of it: its library may be newer than the program's.
    parameters = {**engine.url.translate_connect_args(username="user", database="dbname"), **engine.url.query}
    password = parameters.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    where = psycopg.conninfo.make_conninfo("", **parameters)
    done = subprocess.run(
        [str(found), "--no-password", f"--dbname={where}", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # What the program says of a failure names tables, and may show a row: only its first line is told.
        said = done.stderr.strip().splitlines()[:1]
        raise ConnectorUnavailable(
            f"{program}_failed",
            f"{found} ended with {done.returncode}: {''.join(said)[:200]}",
            next_step="Nothing was half done. See that the disk has room and the server answers, and run it again.",
        )


def _program(name: str, server: int) -> Path:
    """The program nearest to the server's version that is not older. A much newer one writes what an
    older server cannot read back."""
    given = shutil.which(name)
    candidates = [Path(given)] if given else []
    candidates += sorted(_VERSIONS.glob(f"*/bin/{name}"))
    fitting = {version: path for path in reversed(candidates) if (version := _version(path)) >= server}
    if not fitting:
        raise BadSetting(
            "postgresql_programs_missing",
            f"There is no {name} of version {server} or newer on the PATH or below {_VERSIONS}.",
            next_step=f"Install PostgreSQL's client programs (Debian: postgresql-client-{server}).",
        )
    return fitting[min(fitting)]


def _version(path: Path) -> int:
    said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0
