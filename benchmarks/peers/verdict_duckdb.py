"""DuckDB, from Arrow tables in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from benchmarks.answers import verdict_answer
from benchmarks.peers import verdict_arrow


class Sql:
    """Group by reference, full join, four results out of one table of verdicts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.connection = duckdb.connect()
        self.connection.register("sent", verdict_arrow.sent_table(folder))
        self.connection.register("entries", verdict_arrow.entry_table(folder))

    def prepare(self) -> None:
        self.connection.execute("DROP TABLE IF EXISTS verdict")

    def work(self) -> Any:
        run = self.connection.execute
        run("SET preserve_insertion_order = false")
        run(f"CREATE TEMP TABLE verdict AS {verdict_arrow.VERDICTS}")
        return (
            run(verdict_arrow.OUTCOMES).fetchnumpy(),
            run(verdict_arrow.TOTALS).fetchall(),
            run(verdict_arrow.EXCEPTIONS).fetchnumpy(),
            run(verdict_arrow.UNKNOWN).fetchnumpy(),
        )

    def answer(self, result: Any) -> dict[str, Any]:
        outcomes, totals, exceptions, unknown = result
        ordered = verdict_arrow.in_order(outcomes["row"], outcomes["outcome"])
        return verdict_answer(ordered, totals, (exceptions["row"], exceptions["kinds"]), unknown["reference"].tolist())
