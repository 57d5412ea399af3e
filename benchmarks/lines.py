"""The lines of the table: what work, on which data, by whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import files, order
from benchmarks.text import digest_of_numbers
from benchmarks.world import Made, make_world, verdict_truth

#: Longer rounds than this are not waited for: the contender is measured at a smaller size instead.
LONGEST_ROUND = 60.0
#: From here on a round is long: three of them, none to warm up.
LONG_ROUND = 20.0
PERCENTS = (0, 2, 20)


class Contender(NamedTuple):
    """`where` is MODULE:CLASS in this package. `per_million` is about how many seconds a round of
    10^6 takes: it decides nothing but how many rounds there are, and whether there is one at all.
    `largest` is where memory ends."""

    name: str
    where: str
    per_million: float = 1.0
    largest: int = 10**9
    is_floor: bool = False

    def is_run_at(self, size: int) -> bool:
        return size <= self.largest and self.per_million * size / 1e6 <= LONGEST_ROUND

    def rounds(self, size: int) -> tuple[int, int]:
        """How many are counted, and how many go before them."""
        return (3, 0) if self.per_million * size / 1e6 > LONG_ROUND else (5, 1)


class Data(NamedTuple):
    """A folder that `make` fills (with the number of rows), and the truth about it for each line."""

    name: str
    make: Callable[[int, Path], dict[str, Any]]
    #: Large, and wanted no more when the next such data are made.
    is_for_one_case: bool = False


class Case(NamedTuple):
    """One line on one kind of data. `key` is what `--line` takes, and where the data keep its truth."""

    key: str
    line: str
    variant: str
    data: Data
    contenders: tuple[Contender, ...]


class Goal(NamedTuple):
    """At least so many times as fast as the fastest of these, at these sizes."""

    key: str
    variants: tuple[str, ...]
    against: tuple[str, ...]
    ratios: dict[int, float]

    def is_about(self, case: Case, size: int, contender: Contender) -> bool:
        """Whether it is asked of this case at this size, and this contender has a part in the answer."""
        is_part = contender.is_floor or contender.name in (OURS, OURS_AGAIN, *self.against)
        return is_part and case.key == self.key and case.variant in self.variants and size in self.ratios


OURS = "paysvc"
#: The same once more after the others, so that a machine that changes its pace meanwhile is seen.
OURS_AGAIN = "paysvc, after the others"
_READ = Contender("read the bytes once", "peers.floor:ReadOnce", 0.1, is_floor=True)


def _ours(name: str) -> Contender:
    return Contender(OURS, f"ours:{name}", 2.0)


_LXML = Contender("lxml.iterparse", "peers.camt_lxml:Iterparse", 33)
_CAMT = (
    _READ,
    _ours("Camt053"),
    _LXML,
    Contender("bytes regex (not a parser)", "peers.camt_regex:Regex", 10),
)
_MT940 = (
    _READ,
    _ours("Mt940"),
    Contender("mt-940", "peers.mt940:Library", 30),
    Contender("one regex (not a parser)", "peers.mt940:Regex", 3),
)
_JOIN = (
    Contender("read the columns once", "peers.floor:SumColumns", 0.1, is_floor=True),
    _ours("Join"),
    Contender("Polars, full join", "peers.verdict_polars:FullJoin", 0.9),
    Contender("Polars, hand-tuned", "peers.verdict_polars:Slim", 0.3),
    Contender("DuckDB", "peers.verdict_duckdb:Sql", 0.5),
    Contender("DataFusion", "peers.verdict_datafusion:Sql", 0.5),
    Contender("pandas", "peers.verdict_pandas:Merge", 3),
    Contender("Python dict", "peers.verdict_dict:Dictionary", 3),
)
_ORDER = (
    _READ,
    Contender("hash the bytes once", "peers.floor:HashOnce", 0.4, is_floor=True),
    Contender("write the bytes once", "peers.floor:WriteOnce", 0.5, is_floor=True),
    _ours("Order"),
    Contender("f-string join", "peers.order:FormatStrings", 4, largest=10**6),
    Contender("lxml.xmlfile", "peers.order:Xmlfile", 40),
)
_PARSER = "our own reader by lxml"
_ORDER_BACK = (_READ, _ours("OrderBack"), Contender(_PARSER, "ours:OrderBackByParser", 25))
_STATUS = (_READ, _ours("Status"), Contender(_PARSER, "ours:StatusByParser", 20))
_POSTGRESQL = (
    _READ,
    _ours("ToPostgresql")._replace(per_million=4),
    Contender("lxml + Polars + COPY", "peers.store_polars:LxmlToPostgresql", 35),
    Contender("regex + Polars + COPY", "peers.store_polars:RegexToPostgresql", 21),
)
_SQLITE = (
    _READ,
    _ours("ToSqlite")._replace(per_million=4),
    Contender("lxml + Polars + executemany", "peers.store_polars:LxmlToSqlite", 36),
)

_ENGINES = ("Polars, full join", "Polars, hand-tuned", "DuckDB", "DataFusion")
GOALS = (
    Goal("camt", ("full",), ("lxml.iterparse",), {10**6: 50}),
    Goal("mt940", ("plain",), ("mt-940",), {10**6: 50}),
    Goal("join", ("foreign, 2 %", "issued, 2 %"), _ENGINES, {10**6: 3, 10**7: 5}),
    Goal("join", ("dense, 2 %",), _ENGINES, {10**6: 6, 10**7: 8}),
    Goal("pain001", ("plain",), ("f-string join",), {10**6: 5}),
    Goal("pain001", ("plain",), ("lxml.xmlfile",), {10**6: 25}),
    Goal("postgresql", ("full",), ("lxml + Polars + COPY",), {10**6: 20}),
    Goal("postgresql", ("full",), ("regex + Polars + COPY",), {10**6: 7}),
    Goal("sqlite", ("full",), ("lxml + Polars + executemany",), {10**6: 12}),
)

_TITLES = {
    "camt": "camt.053 to columns",
    "mt940": "MT940 to columns",
    "join": "join, verdicts, totals, exceptions",
    "pain001": "pain.001 to a file with SHA-256",
    "pain001-back": "pain.001 to columns",
    "pain002": "pain.002 to columns",
    "postgresql": "camt.053 to rows in PostgreSQL",
    "sqlite": "camt.053 to rows in SQLite",
}
LINES = tuple(_TITLES)


def cases(lines: Iterable[str], joins: Iterable[tuple[str, int]]) -> list[Case]:
    """The cases of these lines; `joins` are kinds of references with the per cent of exceptions."""
    full, compact = Data("camt-full", _camt("full")), Data("camt-compact", _camt("compact"))
    orders = Data("order", _order)
    found = {
        "camt": [("full", full, _CAMT), ("compact", compact, _CAMT)],
        "mt940": [("plain", Data("mt940", _mt940), _MT940)],
        "join": [(f"{kind}, {percent} %", _world(kind, percent), _JOIN) for kind, percent in joins],
        "pain001": [("plain", orders, _ORDER)],
        "pain001-back": [("plain", orders, _ORDER_BACK)],
        "pain002": [("plain", Data("status", _status), _STATUS)],
        "postgresql": [("full", full, _POSTGRESQL)],
        "sqlite": [("full", full, _SQLITE)],
    }
    return [Case(line, _TITLES[line], *one) for line in LINES if line in lines for one in found[line]]


def _camt(shape: str) -> Callable[[int, Path], dict[str, Any]]:
    def make(count: int, folder: Path) -> dict[str, Any]:
        from benchmarks.peers.store import tables_truth

        made = make_world(count, 2, "issued")
        path = folder / "file.xml"
        files.write_camt053(made, path, shape)
        made.world.save(folder)
        tables = tables_truth(made)
        return _truth(made, path, camt=files.camt_truth(made), postgresql=tables, sqlite=tables)

    return make


def _mt940(count: int, folder: Path) -> dict[str, Any]:
    made = make_world(count, 2, "issued", is_iso=False)
    path = folder / "file.sta"
    files.write_mt940(made, path)
    return _truth(made, path, mt940=files.entries_truth(made))


def _world(kind: str, percent: int) -> Data:
    def make(count: int, folder: Path) -> dict[str, Any]:
        made = make_world(count, percent, kind)
        made.world.save(folder)
        return {"join": verdict_truth(made), "rows": len(made.world.entry_amount)}

    return Data(f"join-{kind}-{percent}", make, is_for_one_case=True)


def _order(count: int, folder: Path) -> dict[str, Any]:
    payments = order.make_payments(count)
    order.save(payments, folder)
    truth = order.write_order(payments, folder / "file.xml")
    back = {"reference": payments.reference.digest(), "amount": digest_of_numbers(payments.amount)}
    return {"pain001": truth, "pain001-back": back, "rows": count, "bytes": truth["bytes"]}


def _status(count: int, folder: Path) -> dict[str, Any]:
    truth = files.write_pain002(count, folder / "file.xml")
    return {"pain002": truth, "rows": count, "bytes": (folder / "file.xml").stat().st_size}


def _truth(made: Made, path: Path, **truths: Any) -> dict[str, Any]:
    return {**truths, "rows": len(made.world.entry_amount), "bytes": path.stat().st_size}
