"""The best assembly of libraries: a reader of the file, Polars for the rest, COPY or executemany into the tables."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from benchmarks.peers import camt_lxml, camt_regex, verdict_arrow, verdict_polars
from benchmarks.peers.store import PostgresqlTables, SqliteTables

_IS_DEBIT, _BANK_REFERENCE = pl.col("is_debit"), pl.col("bank_reference")


def frames(sent: pl.DataFrame, columns: dict[str, Any]) -> dict[str, pl.DataFrame]:
    """The three tables, from instructions in memory and the columns of the file."""
    entries = pl.DataFrame({name: _series(values) for name, values in columns.items()}).with_columns(
        reason=pl.when(pl.col("reason") != "").then("reason"),
        of_debit=pl.when(_IS_DEBIT).then(_BANK_REFERENCE),
        of_credit=pl.when(~_IS_DEBIT).then(_BANK_REFERENCE),
    )
    found = verdict_polars.verdicts(
        sent,
        entries,
        reason=pl.col("reason").min(),
        of_debit=pl.col("of_debit").min(),
        of_credit=pl.col("of_credit").min(),
    )
    ours = found.filter(pl.col("row").is_not_null())
    rows = ours.select(
        instruction_id=pl.col("row") + 1,
        end_to_end_id="reference",
        outcome="outcome",
        debited_vnd=pl.col("debited").fill_null(0),
        credited_vnd=pl.col("credited").fill_null(0),
        kinds="kinds",
        reason_code=pl.col("reason").fill_null(""),
        bank_reference=pl.coalesce("of_debit", "of_credit", pl.lit("")),
    )
    strangers = found.filter(pl.col("row").is_null()).select("reference")
    # In the order of the key, in which a database likes it best.
    return {"verdict": rows.sort("instruction_id"), "total": verdict_polars.totals_of(ours), "stranger": strangers}


def _series(values: Any) -> pl.Series:
    if len(values) and isinstance(values[0], bytes):
        return pl.Series(values=values, dtype=pl.Binary).cast(pl.String)
    return pl.Series(values=values)


class _ToPostgresql(PostgresqlTables):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.sent = pl.from_arrow(verdict_arrow.sent_table(folder), rechunk=True)

    def read(self) -> dict[str, Any]:
        raise NotImplementedError

    def work(self) -> None:
        filled = frames(self.sent, self.read())
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            for name, frame in filled.items():
                lines = io.BytesIO()
                frame.write_csv(lines, include_header=False, quote_style="non_numeric")
                with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
                    copy.write(lines.getbuffer())


class LxmlToPostgresql(_ToPostgresql):
    def read(self) -> dict[str, Any]:
        return camt_lxml.read(self.path)


class RegexToPostgresql(_ToPostgresql):
    def read(self) -> dict[str, Any]:
        return camt_regex.read(self.path)


class LxmlToSqlite(SqliteTables):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.sent = pl.from_arrow(verdict_arrow.sent_table(folder), rechunk=True)

    def work(self) -> None:
        filled = frames(self.sent, camt_lxml.read(self.path))
        connection = self.connect()
        connection.execute("BEGIN IMMEDIATE")
        for name, frame in filled.items():
            marks = ", ".join("?" * frame.width)
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", frame.iter_rows())
        connection.execute("COMMIT")
        connection.close()
