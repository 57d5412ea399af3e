"""What is done with a whole database from outside, as its owner could."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url


def administer(database_url: str, *statements: str) -> None:
    """Run statements of PostgreSQL beside this database, each by itself: to make, rename or drop it."""
    engine = create_engine(make_url(database_url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def destroy(database_url: str) -> None:
    """Lose all that is in the database. Whoever calls this holds no connection to it."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        for one in path.parent.glob(f"{path.name}*"):  # with its journals
            one.unlink()
        return
    name = url.database
    administer(
        database_url, f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
    )


def reader_of(path: Path) -> Callable[[str], list[Any]]:
    """Answers queries of an SQLite file, for which it is opened each time and never written to."""

    def rows(query: str) -> list[Any]:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return rows
