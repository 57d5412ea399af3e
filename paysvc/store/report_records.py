"""Statements, discrepancies and funds of a cycle, as they stood at a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, exists, func, or_, select

from paysvc.core.report_lines import LineColumns
from paysvc.domain.money import VND
from paysvc.domain.report_lines import SEPARATOR, UNKNOWN_REFERENCE, shown_reference
from paysvc.domain.report_records import Discrepancy, FundFigures, StatementFigures
from paysvc.store.report_files import StoredReceived
from paysvc.store.tables import (
    approval,
    bank_statement,
    discrepancy,
    inbound_file,
    instant_text,
    instruction,
    ledger_transaction,
    payment_cycle,
    posting,
    programme,
    statement_line,
)


def read_statements(
    connection: Connection, cycle_id: int, as_of: datetime, files: Sequence[StoredReceived]
) -> list[StatementFigures]:
    """The believed statements in these files, and whose their booked entries are."""
    columns, line = bank_statement.c, statement_line.c
    digests = {one.id: one.shown.sha256 for one in files}
    own = instruction.c.cycle_id == cycle_id
    others = and_(line.instruction_id.is_not(None), ~own)
    nobody = line.instruction_id.is_(None)
    in_vnd = line.currency == VND
    parts = [
        _sum(and_(line.is_debit if is_debit else ~line.is_debit, whose))
        for whose in (and_(own, in_vnd), and_(others, in_vnd), and_(nobody, in_vnd), ~in_vnd)
        for is_debit in (True, False)
    ]
    split = (
        select(line.statement_id, *parts)
        .join_from(statement_line, bank_statement, columns.id == line.statement_id)
        .outerjoin(instruction, instruction.c.id == line.instruction_id)
        .where(columns.inbound_file_id.in_(sorted(digests)), columns.accepted_at <= as_of, line.status == "BOOK")
        .group_by(line.statement_id)
    )
    sums = {row[0]: tuple(row[1:]) for row in connection.execute(split)}
    rows = connection.execute(
        select(bank_statement)
        .where(columns.inbound_file_id.in_(sorted(digests)), columns.accepted_at <= as_of)
        .order_by(columns.bank_code, columns.account, columns.sequence, columns.statement_id)
    )
    return [
        StatementFigures(
            row.bank_code,
            row.account,
            row.statement_id,
            row.sequence or 0,
            _day(row.from_date),
            _day(row.to_date),
            digests[row.inbound_file_id],
            row.opening_vnd,
            row.debits_vnd,
            row.credits_vnd,
            row.closing_vnd,
            row.line_count,
            *_parts(row.debits_vnd, row.credits_vnd, sums.get(row.id, (0,) * 8)),
        )
        for row in rows
    ]


def _parts(debits_vnd: int, credits_vnd: int, parts: tuple[int, ...]) -> tuple[int, ...]:
    """The parts of a statement's debits and credits. What is in another currency is a part
    only where the bank's own totals counted it: banks do either."""
    in_vnd = parts[:6]
    is_vnd_alone = (sum(in_vnd[0::2]), sum(in_vnd[1::2])) == (debits_vnd, credits_vnd)
    return (*in_vnd, 0, 0) if is_vnd_alone else parts


def read_discrepancies(
    connection: Connection,
    cycle_id: int,
    as_of: datetime,
    files: Sequence[StoredReceived],
    lines: LineColumns,
) -> list[Discrepancy]:
    """Every discrepancy: those of the lines, unknown references of believed statements, and what
    the store noted beside; each once, open unless the store says that somebody resolved it."""
    digests = {one.id: one.shown.sha256 for one in files}
    columns = discrepancy.c
    is_ours = exists().where(instruction.c.id == columns.instruction_id, instruction.c.cycle_id == cycle_id)
    noted = connection.execute(
        select(columns.kind, columns.bank_code, columns.reference, columns.amount_vnd, columns.resolved_at)
        .add_columns(inbound_file.c.sha256)
        .join(inbound_file, inbound_file.c.id == columns.inbound_file_id)
        .where(
            columns.found_at <= as_of,
            or_(is_ours, and_(columns.instruction_id.is_(None), columns.inbound_file_id.in_(sorted(digests)))),
        )
        .order_by(columns.id)
    )
    found: dict[tuple[str, str, str], Discrepancy] = {}
    for row in noted:
        is_open = row.resolved_at is None or row.resolved_at > as_of
        key = (row.kind, row.bank_code, shown_reference(row.reference))
        before = found.get(key)
        state = "open" if is_open or (before is not None and before.state == "open") else "resolved"
        found[key] = Discrepancy(*key, row.amount_vnd, before.file_sha256 if before else row.sha256.hex(), state)
    for line in lines.take(np.flatnonzero(lines.discrepancy.lengths)).to_rows():
        for kind in line.discrepancy.split(SEPARATOR):
            key = (kind, line.bank, line.end_to_end_id)
            net = line.booked_debits_vnd - line.booked_credits_vnd
            found.setdefault(key, Discrepancy(*key, net, "", "open"))
    for one in _unknown_references(connection, as_of, digests):
        found.setdefault(one[:3], one)
    return sorted(found.values())


def _unknown_references(connection: Connection, as_of: datetime, digests: Mapping[int, str]) -> list[Discrepancy]:
    line, columns = statement_line.c, bank_statement.c
    rows = connection.execute(
        select(columns.bank_code, line.reference, func.max(line.amount_vnd), func.min(columns.inbound_file_id))
        .join_from(statement_line, bank_statement, columns.id == line.statement_id)
        .where(
            columns.inbound_file_id.in_(sorted(digests)),
            columns.accepted_at <= as_of,
            line.status == "BOOK",
            line.instruction_id.is_(None),
            line.verdict == UNKNOWN_REFERENCE,
        )
        .group_by(columns.bank_code, line.reference)
    )
    return [
        Discrepancy(UNKNOWN_REFERENCE, bank, shown_reference(reference), amount, digests[file_id], "open")
        for bank, reference, amount, file_id in rows
    ]


def read_funds(
    connection: Connection, cycle_id: int, approved_at: datetime, as_of: datetime, funds: Iterable[str]
) -> list[FundFigures]:
    """The free balance of each fund, from the last approval before this cycle's to the moment."""
    return [
        _fund(connection, code, _since(connection, cycle_id, approved_at, code), as_of) for code in sorted(set(funds))
    ]


def _since(connection: Connection, cycle_id: int, approved_at: datetime, fund_code: str) -> datetime | None:
    """When a list of another cycle was last approved on this fund: there its report ends and ours begins."""
    sharing = set(connection.execute(select(programme.c.code).where(programme.c.fund_code == fund_code)).scalars())
    rows = connection.execute(
        select(approval.c.approved_at, payment_cycle.c.programmes)
        .join(payment_cycle, payment_cycle.c.id == approval.c.cycle_id)
        .where(approval.c.approved_at < approved_at, approval.c.cycle_id != cycle_id)
        .order_by(approval.c.approved_at.desc())
    )
    return next((row.approved_at for row in rows if sharing.intersection(re.split(r"[,\s]+", row.programmes))), None)


def _fund(connection: Connection, code: str, since: datetime | None, as_of: datetime) -> FundFigures:
    account, treasury, reserved = f"fund:{code}", "treasury", f"reserved:{code}"
    other = posting.alias("other")

    def also(name: str) -> ColumnElement[bool]:
        beside = and_(other.c.transaction_id == posting.c.transaction_id, other.c.account_code == name)
        return exists().where(beside)

    columns = ledger_transaction.c
    own = (
        select(posting.c.amount_vnd, columns.at, also(treasury).label("treasury"), also(reserved).label("reserved"))
        .join_from(posting, ledger_transaction, columns.id == posting.c.transaction_id)
        .where(posting.c.account_code == account, columns.is_posted, columns.at <= as_of)
    )
    opening = closing = funded = taken = released = rest = 0
    for amount, at, from_treasury, is_reserving in connection.execute(own):
        closing += amount
        if since is not None and at <= since:
            opening += amount
        elif from_treasury:
            funded += amount
        elif is_reserving and amount < 0:
            taken -= amount
        elif amount > 0:
            released += amount
        else:
            rest += amount
    return FundFigures(code, instant_text(since) if since else "", opening, funded, taken, released, rest, closing)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    # PostgreSQL sums BIGINT to NUMERIC; no sum of ours leaves 63 bits.
    return cast(func.coalesce(func.sum(case((condition, statement_line.c.amount_vnd), else_=0)), 0), BigInteger)


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()
