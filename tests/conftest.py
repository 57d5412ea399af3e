"""Real databases for every test that asks: SQLite always, PostgreSQL where one can be had.

A test that takes `database` runs once on each. PostgreSQL comes from, in this order:
`PAYSVC_TEST_POSTGRESQL_URL` (an existing, empty-able server), or a server that this run
starts itself from the system's binaries, as another user when this one is root. Where
neither can be had those runs are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from paysvc.clock import FixedClock
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer, open_or_create_sealer
from paysvc.store import schema
from paysvc.store.engine import Database, open_database
from paysvc.store.vault import Vault

from .doors import Desk, client_of
from .finished_month import Demo, run_demo
from .paying_office import PayingOffice
from .postgresql_server import NoServer, running_server

#: A Saturday in November 2026, 08:00 in Vietnam.
NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases may be made and dropped."""
    given = os.environ.get("PAYSVC_TEST_POSTGRESQL_URL")
    if given:
        yield given
        return
    # In memory where that can be had: the server still syncs every commit, and it costs nothing.
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else None
    try:
        with running_server(place, ("shared_buffers=256MB", "max_wal_size=4GB")) as url:
            yield url
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """A database with the schema in it, from which each test's own is copied."""
    name = f"paysvc_template_{os.getpid()}"
    administrator = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    administrator.dispose()
    database = open_database(postgresql_server.rsplit("/", 1)[0] + f"/{name}")
    schema.upgrade(database)
    database.close()
    return name


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema in it, dropped afterwards."""
    name = f"paysvc_test_{os.getpid()}_{os.urandom(4).hex()}"
    administrator = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {postgresql_template}"))
    yield postgresql_server.rsplit("/", 1)[0] + f"/{name}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    administrator.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A fresh SQLite database file with the schema in it."""
    path = tmp_path / "paysvc.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = open_database(f"sqlite:///{path}")
    schema.upgrade(database)
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, empty database with today's schema; each test runs on both kinds."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    """As `database`, for what is true of PostgreSQL alone."""
    opened = open_database(postgresql_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A finished month on SQLite; tests look at it and leave it as it is."""
    return run_demo(tmp_path_factory.mktemp("demo") / "sqlite", None)


@pytest.fixture
def copied(on_sqlite: Demo, tmp_path: Path) -> Demo:
    """The office of the finished month once more, for tests that go on working in it."""
    shutil.copytree(on_sqlite.home, tmp_path / "copy" / "office")
    return Demo(tmp_path / "copy", None, on_sqlite.output)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return open_or_create_sealer(tmp_path / "keys.json")


@pytest.fixture
def vault(tmp_path: Path, sealer: Sealer) -> Vault:
    return Vault(tmp_path / "vault", sealer)


@pytest.fixture
def maker() -> Officer:
    return Officer("maker.lan", Role.MAKER)


@pytest.fixture
def approver() -> Officer:
    return Officer("approver.minh", Role.APPROVER)


@pytest.fixture
def operator() -> Officer:
    return Officer("operator.hoa", Role.BANK_OPERATOR)


@pytest.fixture
def auditor() -> Officer:
    return Officer("auditor.tuan", Role.AUDITOR)


@pytest.fixture
def administrator() -> Officer:
    return Officer("administrator.an", Role.ADMINISTRATOR)


@pytest.fixture
def client(office: PayingOffice, tmp_path: Path) -> FlaskClient:
    """The API of a test's own `office`."""
    return client_of(office, tmp_path)


@pytest.fixture
def desk(office: PayingOffice, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Officers at the command line of a test's own `office`."""
    return Desk(office, tmp_path, database_url, monkeypatch)
