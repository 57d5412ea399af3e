"""The core as a contender: the only place in the benchmarks that calls it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Column, MetaData, SmallInteger, Table, UnicodeText

from benchmarks import order
from benchmarks.answers import entries_answer, file_answer, verdict_answer
from benchmarks.contender import Reader, Writer
from benchmarks.peers.store import PostgresqlTables, SqliteTables
from benchmarks.text import Text
from benchmarks.world import ENTRY_COLUMNS, SENT_COLUMNS, World
from paysvc.core import scan_pain001, scan_pain002
from paysvc.core.columns import BOOKED, EntryColumns, SentColumns, StatusColumns
from paysvc.core.emit_pain001 import emit_pain001
from paysvc.core.join import Keys, find_positions
from paysvc.core.messages import Debtor, PaymentBatch, Statement
from paysvc.core.order_columns import PaymentColumns
from paysvc.core.scan_camt import StatementFile, read_camt
from paysvc.core.scan_mt940 import read_mt940
from paysvc.core.scan_pain001 import read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.core.source import Source
from paysvc.core.text_column import CategoryColumn, Int64, TextColumn, UInt8, concatenate_text
from paysvc.core.verdicts import OUTCOMES, Tally, TallyColumns, judge, tally, totals_by_group
from paysvc.store.bulk import insert_columns
from paysvc.store.engine import open_database

_METADATA = MetaData()
_VERDICT = Table(
    "verdict",
    _METADATA,
    Column("instruction_id", BigInteger, primary_key=True),
    Column("end_to_end_id", UnicodeText),
    Column("outcome", SmallInteger),
    Column("debited_vnd", BigInteger),
    Column("credited_vnd", BigInteger),
    Column("kinds", SmallInteger),
    Column("reason_code", UnicodeText),
    Column("bank_reference", UnicodeText),
)
_TOTAL = Table(
    "total",
    _METADATA,
    Column("bank", SmallInteger, primary_key=True),
    Column("outcome", SmallInteger, primary_key=True),
    Column("count", BigInteger),
    Column("sum_vnd", BigInteger),
)
_STRANGER = Table("stranger", _METADATA, Column("reference", UnicodeText, primary_key=True))


class Verdicts(NamedTuple):
    """What a reconciliation knows of its instructions."""

    booked: TallyColumns
    outcomes: UInt8
    #: Bank, outcome, number, sum.
    totals: list[tuple[int, int, int, int]]
    exceptions: Int64
    kinds: UInt8
    #: Rows of the entries under references that nobody sent.
    unknown: Int64


# The adapters: to follow the core when its signatures change -------------------------------


def statement_of_camt(path: Path) -> Statement:
    """The only statement of a camt.053 file."""
    with Source.at(path) as source:
        return read_camt(source)[1][0]


def statement_of_mt940(path: Path) -> Statement:
    """The only statement of an MT940 file."""
    return read_mt940(path.read_bytes())[0]


def sent_of_pain001(content: bytes, *, by_parser: bool) -> SentColumns:
    """What an order of ours says was sent."""
    found = scan_pain001.read_by_parser(content, message_name(content)) if by_parser else read_pain001(content)
    return found.payments


def statuses_of_pain002(content: bytes, *, by_parser: bool) -> StatusColumns:
    """The statuses of single payments in a report."""
    found = scan_pain002.read_by_parser(content, message_name(content)) if by_parser else read_pain002(content)
    assert found.statuses is not None
    return found.statuses


def write_order(batch: PaymentBatch, target: Path) -> str:
    """The batch into a file; the SHA-256 of what is in it, in hexadecimal."""
    with target.open("wb") as file:
        return emit_pain001(batch, file).sha256.hex()


def reconcile(sent: SentColumns, bank: NDArray[np.int8], refused: NDArray[np.bool_], entries: EntryColumns) -> Verdicts:
    """Join, verdicts, totals by bank and outcome, exception rows."""
    positions = find_positions(sent.end_to_end_id, entries.reference)
    booked = tally(sent, entries, positions)
    unknown = np.flatnonzero((positions < 0) & (entries.status == BOOKED))
    return _judged(sent, bank, refused, booked, unknown)


def _judged(
    sent: SentColumns, bank: NDArray[np.int8], refused: NDArray[np.bool_], booked: TallyColumns, unknown: Int64
) -> Verdicts:
    outcomes, kinds = judge(booked, refused)
    banks = int(bank.max(initial=0)) + 1
    totals = [
        (group, code, *figures[outcome])
        for group, figures in enumerate(totals_by_group(outcomes, sent.amount_vnd, bank.astype(np.int32), banks))
        for code, outcome in enumerate(OUTCOMES)
        if figures[outcome][0]
    ]
    exceptions = np.flatnonzero(kinds)
    return Verdicts(booked, outcomes, totals, exceptions, kinds[exceptions], unknown)


def store_verdicts(url: str, sent: SentColumns, found: Verdicts, strangers: TextColumn) -> None:
    """Three tables in one transaction."""
    booked, count = found.booked, len(sent)
    bank, outcome, number, sum_vnd = (list(column) for column in zip(*found.totals, strict=True))
    kinds = np.zeros(count, np.int64)
    kinds[found.exceptions] = found.kinds
    rows = {
        "instruction_id": np.arange(1, count + 1),
        "end_to_end_id": sent.end_to_end_id,
        "outcome": found.outcomes.astype(np.int64),
        "debited_vnd": booked.debited_vnd,
        "credited_vnd": booked.credited_vnd,
        "kinds": kinds,
        "reason_code": booked.reason_code,
        "bank_reference": booked.bank_reference,
    }
    totals = {"bank": bank, "outcome": outcome, "count": number, "sum_vnd": sum_vnd}
    database = open_database(url)
    with database.write() as connection:
        insert_columns(connection, _VERDICT, rows)
        insert_columns(connection, _TOTAL, totals)
        insert_columns(connection, _STRANGER, {"reference": strangers})
    database.close()


# The contenders ----------------------------------------------------------------------------


class Camt053(Reader):
    def work(self) -> Statement:
        return statement_of_camt(self.path)

    def answer(self, result: Statement) -> dict[str, Any]:
        return entries_answer(_columns(result.entries))


class Mt940(Reader):
    def work(self) -> Statement:
        return statement_of_mt940(self.path)

    def answer(self, result: Statement) -> dict[str, Any]:
        columns = _columns(result.entries)
        return entries_answer({name: columns[name] for name in columns if name not in ("currency", "status")})


class OrderBack(Reader):
    by_parser = False

    def work(self) -> SentColumns:
        return sent_of_pain001(self.path.read_bytes(), by_parser=self.by_parser)

    def answer(self, result: SentColumns) -> dict[str, Any]:
        return entries_answer({"reference": _text(result.end_to_end_id), "amount": result.amount_vnd})


class OrderBackByParser(OrderBack):
    by_parser = True


class Status(Reader):
    by_parser = False

    def work(self) -> StatusColumns:
        return statuses_of_pain002(self.path.read_bytes(), by_parser=self.by_parser)

    def answer(self, result: StatusColumns) -> dict[str, Any]:
        return entries_answer({"reference": _text(result.reference), "reason": _text(result.reason_code)})


class StatusByParser(Status):
    by_parser = True


class Join:
    def __init__(self, folder: Path, url: str) -> None:
        world = World.load(folder, *SENT_COLUMNS, *ENTRY_COLUMNS)
        self.sent, self.bank, self.refused = sent_columns(world), world.bank, world.is_refused
        count = len(world.entry_amount)
        nothing = TextColumn.repeat("", count)
        self.entries = EntryColumns(
            reference=TextColumn(*world.entry_reference),
            amount_vnd=world.entry_amount,
            currency=TextColumn(*world.entry_currency),
            is_debit=world.entry_is_debit,
            status=world.entry_status,
            reason_code=nothing,
            bank_reference=nothing,
            entry_number=np.arange(1, count + 1, dtype=np.int32),
            booking_date=nothing,
        )

    def prepare(self) -> None:
        """Nothing changes."""

    def work(self) -> Verdicts:
        return reconcile(self.sent, self.bank, self.refused, self.entries)

    def answer(self, result: Verdicts) -> dict[str, Any]:
        unknown = self.entries.reference.take(result.unknown).to_bytes_list()
        return verdict_answer(result.outcomes, result.totals, (result.exceptions, result.kinds), unknown)


class Order(Writer):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        payments = order.load(folder)
        count = len(payments.amount)
        banks = TextColumn.of(list(order.BANKS))
        self.batch = PaymentBatch(
            message_id=order.MESSAGE_ID,
            created_at=datetime.fromisoformat(order.CREATED),
            value_date=date.fromisoformat(order.VALUE_DATE),
            debtor=Debtor(order.DEBTOR_NAME, order.DEBTOR_ACCOUNT, order.DEBTOR_BANK),
            purpose=order.PURPOSE,
            payments=PaymentColumns(
                end_to_end_id=TextColumn(*payments.reference),
                amount_vnd=payments.amount,
                creditor_bin=banks.take(payments.bank),
                creditor_account=TextColumn(*payments.account),
                creditor_name=TextColumn(*payments.name),
                citizen_id=TextColumn.repeat("", count),
                point_code=TextColumn.repeat("", count),
                remittance=TextColumn.repeat(order.REMITTANCE, count),
            ),
        )

    def work(self) -> str:
        return write_order(self.batch, self.target)

    def answer(self, result: str) -> dict[str, Any]:
        found = file_answer(self.target)
        if found["sha256"] != result:
            raise AssertionError("the digest is not that of the file")
        return found


class ToPostgresql(PostgresqlTables):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.database, self.office = url, _Office(folder)

    def work(self) -> None:
        self.office.reconcile_file(self.path, self.database)


class ToSqlite(SqliteTables):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.database, self.office = f"sqlite:///{self.file}", _Office(folder)

    def work(self) -> None:
        self.office.reconcile_file(self.path, self.database)


class _Office:
    """Instructions in memory, as every contender has them."""

    def __init__(self, folder: Path) -> None:
        world = World.load(folder, *SENT_COLUMNS)
        self.sent, self.bank, self.refused = sent_columns(world), world.bank, world.is_refused

    def reconcile_file(self, path: Path, url: str) -> None:
        keys, booked = Keys.of(self.sent.end_to_end_id), Tally(self.sent)
        strangers = [TextColumn.of([])]
        with Source.at(path) as source:
            # Piece by piece: entries are joined and added up while the next ones are still scanned.
            for _, entries in StatementFile(source):
                positions = keys.find(entries.reference)
                booked.add(entries, positions)
                unknown = np.flatnonzero((positions < 0) & (entries.status == BOOKED))
                strangers.append(entries.reference.take(unknown))
        found = _judged(self.sent, self.bank, self.refused, booked.columns(), np.zeros(0, np.int64))
        store_verdicts(url, self.sent, found, concatenate_text(strangers))


def sent_columns(world: Any) -> SentColumns:
    """The instructions of a world as the core knows them."""
    count = len(world.amount)
    one = CategoryColumn.repeat("M20261124ABCDEFGHJKMNPQRS", count)
    return SentColumns(TextColumn(*world.reference), world.amount, CategoryColumn.repeat("VND", count), one, one)


def _columns(entries: EntryColumns) -> dict[str, Any]:
    return {
        "reference": _text(entries.reference),
        "reason": _text(entries.reason_code),
        "bank_reference": _text(entries.bank_reference),
        "booking_date": _text(entries.booking_date),
        "amount": entries.amount_vnd,
        "is_debit": entries.is_debit,
        "currency": _text(entries.currency),
        "status": entries.status,
    }


def _text(column: TextColumn) -> Text:
    return Text(column.data, column.offsets)
