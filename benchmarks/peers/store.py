"""The tables into which a statement's verdicts go, the same for every contender, and how they are read back.

`verdict` has a row per instruction under its primary key, `total` one per bank and outcome,
`stranger` one per reference that nobody sent. All of a round is one transaction.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.world import REASONS, Made, bank_references, totals

#: Table, its columns, its key.
TABLES = {
    "verdict": (
        "instruction_id BIGINT PRIMARY KEY, end_to_end_id TEXT NOT NULL, outcome SMALLINT NOT NULL, "
        "debited_vnd BIGINT NOT NULL, credited_vnd BIGINT NOT NULL, kinds SMALLINT NOT NULL, "
        "reason_code TEXT NOT NULL, bank_reference TEXT NOT NULL"
    ),
    "total": (
        "bank SMALLINT NOT NULL, outcome SMALLINT NOT NULL, count BIGINT NOT NULL, sum_vnd BIGINT NOT NULL, "
        "PRIMARY KEY (bank, outcome)"
    ),
    "stranger": "reference TEXT PRIMARY KEY",
}
_ORDERED = {
    "verdict": "SELECT * FROM verdict ORDER BY instruction_id",
    "total": "SELECT * FROM total ORDER BY bank, outcome",
    "stranger": "SELECT * FROM stranger",
}
_AT_ONCE = 50_000

#: What the product sets as well (`store/engine.py`), but for the journal, which depends on the version.
PRAGMAS = ("page_size = 16384", "synchronous = FULL", "cache_size = -196608", "temp_store = MEMORY")


class PostgresqlTables:
    """`prepare` and `answer` of a contender that fills the tables in PostgreSQL."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = next(folder.glob("file.*"))
        self.url = url.replace("+psycopg", "")

    def prepare(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name, columns in TABLES.items():
                connection.execute(f"DROP TABLE IF EXISTS {name}")
                connection.execute(f"CREATE TABLE {name} ({columns})")
            # What the last round left to be written is not this one's to wait for.
            connection.execute("CHECKPOINT")

    def answer(self, result: object) -> dict[str, Any]:
        with psycopg.connect(self.url) as connection:
            return {name: _digest(_copied(connection, query), name) for name, query in _ORDERED.items()}


class SqliteTables:
    """The same in a SQLite file."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = next(folder.glob("file.*"))
        self.file = folder / f"verdicts-{type(self).__name__}.db"

    def prepare(self) -> None:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{self.file}{ending}").unlink(missing_ok=True)
        connection = self.connect()
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.close()

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, isolation_level=None)
        journal = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "TRUNCATE"
        for pragma in (*PRAGMAS, f"journal_mode = {journal}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def answer(self, result: object) -> dict[str, Any]:
        connection = self.connect()
        found = {name: _digest(_selected(connection, query), name) for name, query in _ORDERED.items()}
        connection.close()
        return found


def tables_truth(made: Made) -> dict[str, Any]:
    """What the tables hold after any contender."""
    return {
        "verdict": _digest(_verdict_lines(made), "verdict"),
        "total": _digest(("\t".join(map(str, row)) for row in totals(made)), "total"),
        "stranger": _digest((one.decode() for one in made.unknown.to_bytes()), "stranger"),
    }


def _verdict_lines(made: Made) -> Iterator[str]:
    names, count = [one.decode() for one in REASONS] + [""], len(made.outcome)
    for begin in range(0, count, _AT_ONCE):
        end = min(begin + _AT_ONCE, count)
        numbers = made.bank_reference[begin:end]
        texts = bank_references(numbers.clip(min=0)).to_strings()
        columns = (
            range(begin + 1, end + 1),
            made.world.reference.to_strings(begin, end),
            made.outcome[begin:end].tolist(),
            made.debited[begin:end].tolist(),
            made.credited[begin:end].tolist(),
            made.kinds[begin:end].tolist(),
            [names[reason] for reason in made.reason[begin:end].tolist()],
            [text if number >= 0 else "" for number, text in zip(numbers.tolist(), texts, strict=True)],
        )
        yield from ("\t".join(map(str, row)) for row in zip(*columns, strict=True))


def _copied(connection: psycopg.Connection[Any], query: str) -> Iterator[str]:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        for part in copy:
            yield from bytes(part).decode().splitlines()


def _selected(connection: sqlite3.Connection, query: str) -> Iterator[str]:
    return ("\t".join(map(str, row)) for row in connection.execute(query))


def _digest(lines: Iterable[str], table: str) -> list[Any]:
    """How many rows, and what is in them (strangers by their bytes: databases sort text in their own way)."""
    mixed, count = hashlib.sha256(), 0
    for line in sorted(lines) if table == "stranger" else lines:
        mixed.update(line.encode() + b"\n")
        count += 1
    return [count, mixed.hexdigest()]
