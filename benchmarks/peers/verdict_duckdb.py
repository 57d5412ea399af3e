"""DuckDB, from Arrow tables in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from benchmarks.answers import verdict_answer
from benchmarks.peers import verdict_arrow


class Sql:
    """Group by reference, full join, four results out of one Arrow table of verdicts (a temporary
    table of DuckDB's own took a third longer)."""

    def __init__(self, folder: Path, url: str) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET preserve_insertion_order = false")
        self.connection.register("sent", verdict_arrow.sent_table(folder))
        self.connection.register("entries", verdict_arrow.entry_table(folder))

    def prepare(self) -> None:
        self.connection.unregister("verdict")

    def work(self) -> Any:
        run = self.connection.execute
        self.connection.register("verdict", self.connection.sql(verdict_arrow.VERDICTS).to_arrow_table())
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
