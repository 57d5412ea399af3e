"""What banks booked and said, added up in the rows of the instructions they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, MetaData, Select, String, Table, func, select, text, update

from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import NOT_LIVE
from paysvc.store.bulk import Same, insert_columns, next_ids, read_columns, update_columns
from paysvc.store.tables import (
    bank_statement,
    batch,
    discrepancy,
    entitlement,
    fund,
    instruction,
    ledger_transaction,
    payment_status,
    posting,
    programme,
    statement_line,
)

Columns = dict[str, list[Any]]

#: A list of ids in a statement stays below every database's limit of bound values.
_CHUNK = 500

#: From so many references on a sample of so many finds the batches that a file speaks of, and
#: reading these whole is cheaper than looking up every reference while they have at most so many
#: times as many payments (a look-up costs about as much as four rows in a row).
_WORTH_SAMPLING, _SAMPLE, _WORTH_READING = 2_000, 100, 4

_Key = TypeVar("_Key", int, str)

_wanted = Table("wanted_reference", MetaData(), Column("reference", String(140)))

#: What is changed by a bank's file, in the order of `read_*` results.
CHANGEABLE = (
    "state",
    "best_status",
    "is_refused",
    "letter_word",
    "debit_count",
    "debited_vnd",
    "credit_count",
    "credited_vnd",
    "reason_code",
    "bank_reference",
)


@dataclass(frozen=True, slots=True)
class NewDiscrepancy:
    """What does not agree; `detail` is one sentence without personal data, amount in đồng."""

    kind: str
    reference: str
    instruction_id: int | None
    amount_vnd: int
    detail: str


@dataclass(frozen=True, slots=True)
class NotedDiscrepancy:
    """A discrepancy in the store."""

    id: int
    kind: str
    reference: str
    instruction_id: int
    detail: str
    is_open: bool


def read_by_reference(connection: Connection, bank_code: str, references: Iterable[str]) -> Columns:
    """The instructions in this bank's batches that bear one of the references, in any order.

    A long file speaks of few batches, and mostly of all in them. A sample finds them, they are
    read whole, in the order of the table, and only what is not in them is looked up by itself.
    """
    wanted = {one for one in references if one}
    if len(wanted) < _WORTH_SAMPLING:
        return _look_up(connection, bank_code, wanted)
    sample = _look_up(connection, bank_code, islice(wanted, 0, None, len(wanted) // _SAMPLE))
    counts = _sizes(connection, set(sample["batch_id"]))
    if sum(counts.values()) > _WORTH_READING * len(wanted):
        return _look_up(connection, bank_code, wanted)
    parts = [_only(read_by_batch(connection, batch_id), wanted) for batch_id in sorted(counts)]
    found = {one for part in parts for one in part["end_to_end_id"]}
    return joined_parts([*parts, _look_up(connection, bank_code, wanted - found)])


def joined_parts(parts: Sequence[Columns]) -> Columns:
    """The rows of several readings, one after the other."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def _only(columns: Columns, wanted: Set[str]) -> Columns:
    rows = [row for row, reference in enumerate(columns["end_to_end_id"]) if reference in wanted]
    if len(rows) == len(columns["end_to_end_id"]):
        return columns
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def _sizes(connection: Connection, batch_ids: Iterable[int]) -> dict[int, int]:
    """How many instructions each batch has."""
    found: dict[int, int] = {}
    for chunk in _chunks(batch_ids):
        rows = connection.execute(select(batch.c.id, batch.c.count).where(batch.c.id.in_(chunk)))
        found.update((row.id, row[1]) for row in rows)
    return found


def _look_up(connection: Connection, bank_code: str, references: Iterable[str]) -> Columns:
    _fill_wanted(connection, references)
    # A look-up per wanted reference, however long the history. Asked for in the order of
    # ids, SQLite would rather scan all instructions there ever were.
    found = _instructions().join(_wanted, _wanted.c.reference == instruction.c.end_to_end_id)
    return read_columns(
        connection, found.where(instruction.c.bank_code == bank_code, instruction.c.batch_id.is_not(None))
    )


def read_by_batch(connection: Connection, batch_id: int) -> Columns:
    """All instructions of a batch, in any order."""
    return read_columns(connection, _instructions().where(instruction.c.batch_id == batch_id))


def update_instructions(connection: Connection, before: Columns, after: Columns) -> None:
    """Write what differs between the two, in the rows that differ; all of them must be there.

    Payments that stop or start to stand in the way of another (U2) are written apart, so that
    no others touch the index that watches over it.
    """
    names = [name for name in CHANGEABLE if before[name] != after[name]]
    if not names:
        return
    olds, news = (list(zip(*(columns[name] for name in names), strict=True)) for columns in (before, after))
    # In the order of the table's rows: its pages are written once, from first to last.
    rows = sorted(
        (row for row, (old, new) in enumerate(zip(olds, news, strict=True)) if old != new), key=after["id"].__getitem__
    )
    is_live = [state not in NOT_LIVE for state in after["state"]]
    turned = [row for row in rows if (before["state"][row] not in NOT_LIVE) != is_live[row]]
    apart = set(turned)
    _write(connection, {name: after[name] for name in ("id", *names)}, [row for row in rows if row not in apart])
    _write(connection, {**{name: after[name] for name in ("id", *names)}, "is_live": is_live}, turned)


def _write(connection: Connection, columns: Columns, rows: Sequence[int]) -> None:
    if not rows:
        return
    values = {name: [column[row] for row in rows] for name, column in columns.items()}
    if update_columns(connection, instruction, ["id"], values) != len(rows):
        raise Conflict("instruction_gone", "A payment that the bank speaks of is no longer there.")


def deposited(connection: Connection, references: Sequence[str]) -> dict[str, int]:
    """Which of these references name deposits that were recorded, and how many đồng each brought."""
    found: dict[str, int] = {}
    codes = list(connection.execute(select(fund.c.code)).scalars())
    wanted = {f"deposit:{code}:{reference}": reference for code in codes for reference in references if reference}
    for chunk in _chunks(wanted):
        rows = connection.execute(
            select(ledger_transaction.c.reference, posting.c.amount_vnd)
            .join(posting, posting.c.transaction_id == ledger_transaction.c.id)
            .where(ledger_transaction.c.reference.in_(chunk), posting.c.amount_vnd > 0)
        )
        for row in rows:
            found[wanted[row.reference]] = found.get(wanted[row.reference], 0) + row.amount_vnd
    return found


def read_noted(connection: Connection, instruction_ids: Sequence[int]) -> list[NotedDiscrepancy]:
    """All discrepancies ever noted about these instructions."""
    found = []
    columns = discrepancy.c
    for chunk in _chunks(instruction_ids):
        rows = connection.execute(select(discrepancy).where(columns.instruction_id.in_(chunk)).order_by(columns.id))
        found += [
            NotedDiscrepancy(row.id, row.kind, row.reference, row.instruction_id, row.detail, row.resolved_at is None)
            for row in rows
        ]
    return found


def last_word(connection: Connection, instruction_id: int) -> int | None:
    """The last file of a bank that speaks of a payment, by a line or by a status; None when none does."""
    line, status = statement_line.c, payment_status.c
    of_lines = (
        select(func.max(bank_statement.c.inbound_file_id))
        .join(statement_line, line.statement_id == bank_statement.c.id)
        .where(line.instruction_id == instruction_id)
    )
    of_statuses = select(func.max(status.inbound_file_id)).where(status.instruction_id == instruction_id)
    found = [connection.execute(one).scalar_one() for one in (of_lines, of_statuses)]
    return max((one for one in found if one is not None), default=None)


def insert_discrepancies(
    connection: Connection, bank_code: str, inbound_file_id: int, news: Sequence[NewDiscrepancy], at: datetime
) -> None:
    """Note what does not agree, for a person to settle; once for one thing in one file.

    What a statement of the file explained and a later one in the same file brings up again is open again.
    """
    if not news:
        return
    columns = discrepancy.c
    rows = connection.execute(
        select(columns.id, columns.kind, columns.reference, columns.resolved_at).where(
            columns.inbound_file_id == inbound_file_id
        )
    )
    before = {(row.kind, row.reference): row for row in rows}
    again = [before[key] for new in news if (key := (new.kind, new.reference)) in before]
    for chunk in _chunks(row.id for row in again if row.resolved_at is not None):
        connection.execute(
            update(discrepancy).where(columns.id.in_(chunk)).values(resolved_at=None, resolved_by=None, resolution="")
        )
    news = [new for new in news if (new.kind, new.reference) not in before]
    if not news:
        return
    insert_columns(
        connection,
        discrepancy,
        {
            "id": next_ids(connection, "discrepancy", len(news)),
            "kind": [new.kind for new in news],
            "bank_code": Same(bank_code),
            "reference": [new.reference for new in news],
            "instruction_id": [new.instruction_id for new in news],
            "inbound_file_id": Same(inbound_file_id),
            "amount_vnd": [new.amount_vnd for new in news],
            "detail": [new.detail for new in news],
            "found_at": Same(at),
        },
    )


def resolve_discrepancies(connection: Connection, ids: Sequence[int], at: datetime, by: str, resolution: str) -> None:
    """Close discrepancies that later files explained."""
    for chunk in _chunks(ids):
        connection.execute(
            update(discrepancy)
            .where(discrepancy.c.id.in_(chunk), discrepancy.c.resolved_at.is_(None))
            .values(resolved_at=at, resolved_by=by, resolution=resolution)
        )


def _instructions() -> Select[Any]:
    return (
        select(
            instruction.c.id,
            instruction.c.end_to_end_id,
            instruction.c.amount_vnd,
            instruction.c.channel,
            instruction.c.batch_id,
            programme.c.fund_code,
            *(instruction.c[name] for name in CHANGEABLE),
        )
        .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
        .join(programme, programme.c.code == entitlement.c.programme_code)
    )


def _fill_wanted(connection: Connection, references: Iterable[str]) -> None:
    """The distinct references in a temporary table of this connection."""
    connection.execute(text("DROP TABLE IF EXISTS wanted_reference"))
    connection.execute(text("CREATE TEMPORARY TABLE wanted_reference (reference VARCHAR(140))"))
    insert_columns(connection, _wanted, {"reference": sorted({one[:140] for one in references if one})})
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE wanted_reference"))


def _chunks(ids: Iterable[_Key]) -> Iterator[list[_Key]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
