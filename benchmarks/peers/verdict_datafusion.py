"""DataFusion, from Arrow tables in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datafusion

from benchmarks.answers import verdict_answer
from benchmarks.peers import verdict_arrow


class Sql:
    """Group by reference, full join, four results out of one table of verdicts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.context = datafusion.SessionContext()
        for name, table in (("sent", verdict_arrow.sent_table), ("entries", verdict_arrow.entry_table)):
            self.context.register_record_batches(name, [table(folder).to_batches(max_chunksize=65_536)])

    def prepare(self) -> None:
        self.context.deregister_table("verdict")

    def work(self) -> Any:
        run = self.context.sql
        self.context.register_record_batches("verdict", [run(verdict_arrow.VERDICTS).collect()])
        queries = (verdict_arrow.OUTCOMES, verdict_arrow.TOTALS, verdict_arrow.EXCEPTIONS, verdict_arrow.UNKNOWN)
        return [run(query).to_arrow_table() for query in queries]

    def answer(self, result: Any) -> dict[str, Any]:
        outcomes, totals, exceptions, unknown = result
        ordered = verdict_arrow.in_order(outcomes["row"], outcomes["outcome"])
        rows = zip(*(column.to_pylist() for column in totals.columns), strict=True)
        return verdict_answer(ordered, rows, (exceptions["row"], exceptions["kinds"]), unknown["reference"].to_pylist())
