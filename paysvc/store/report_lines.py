"""The first road of a report: its lines from the store's rows, as they stood at a moment.

Only what carries a time decides (accepted statements, decided files, finished tries), never
a column that shows today's state, so that a moment in the past gives the same lines later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, case, cast, func, select

from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND
from paysvc.domain.report_lines import (
    NOT_SENT,
    NOTHING_BOOKED,
    OUTSTANDING,
    Booked,
    ReportLine,
    Said,
    discrepancies_of,
    judge,
    shown_bank_reference,
    shown_reason,
)
from paysvc.domain.report_records import SentFile
from paysvc.store.bulk import read_columns
from paysvc.store.tables import (
    bank_statement,
    entitlement,
    inbound_file,
    instruction,
    payment_status,
    statement_line,
)

_INSTRUCTION_COLUMNS = ("id", "end_to_end_id", "amount_vnd", "channel", "bank_code", "batch_id")


def read_lines(
    connection: Connection, cycle_id: int, as_of: datetime, sent_files: Mapping[int, SentFile]
) -> tuple[list[ReportLine], list[tuple[int, int]]]:
    """One line per entitlement of the cycle in the order of their ids, judged as of the moment.

    `sent_files` maps a batch to its file, when it had one. The second list holds for each
    line (what is instructed in đồng, its batch), 0 where there is none.
    """
    instructions = _instructions(connection, cycle_id)
    booked = read_booked(connection, cycle_id, as_of)
    said = _said(connection, cycle_id, as_of)
    columns = entitlement.c
    rows = read_columns(
        connection,
        select(columns.id, columns.programme_code, columns.unit_code, columns.amount_vnd, columns.disposition)
        .add_columns(columns.reason)
        .where(columns.cycle_id == cycle_id)
        .order_by(columns.id),
    )
    lines: list[ReportLine] = []
    instructed: list[tuple[int, int]] = []
    for entitlement_id, *due in zip(*rows.values(), strict=True):
        found = instructions.get(entitlement_id) if due[3] == "planned" else None
        if found is None:
            lines.append(_without_instruction(len(lines) + 1, *due))
            instructed.append((0, 0))
        else:
            file = sent_files.get(found[5])
            evidence = booked.get(found[0], NOTHING_BOOKED), said.get(found[0])
            lines.append(_judged(len(lines) + 1, due, found, file, *evidence))
            instructed.append((found[2], found[5] if file else 0))
    return lines, instructed


def _without_instruction(
    number: int, programme: str, unit: str, amount: int, disposition: str, reason: str
) -> ReportLine:
    """Held or excluded; or planned and yet not instructed, which the check names."""
    is_planned = disposition == "planned"
    outcome, state = (OUTSTANDING, NOT_SENT) if is_planned else (disposition, "")
    return ReportLine(
        number, "", programme, unit, "", "", amount, state, "", 0, 0, outcome, shown_reason(reason), "", ""
    )


def _judged(
    number: int, due: list[Any], found: tuple[Any, ...], file: SentFile | None, booked: Booked, said: Said | None
) -> ReportLine:
    programme, unit, amount, *_ = due
    _, end_to_end_id, _, channel, bank_code, _ = found
    sending, message_id = (file.sending, file.message_id) if file else (NOT_SENT, "")
    outcome, state, reason = judge(sending, booked, said)
    reference = booked.bank_reference or (said.bank_reference if said else "")
    return ReportLine(
        number,
        end_to_end_id,
        programme,
        unit,
        channel,
        bank_code,
        amount,
        state,
        message_id,
        booked.debits_vnd,
        booked.credits_vnd,
        outcome,
        shown_reason(reason) if reason else "",
        shown_bank_reference(reference),
        "" if booked is NOTHING_BOOKED else discrepancies_of(booked),
    )


def read_booked(connection: Connection, cycle_id: int, as_of: datetime) -> dict[int, Booked]:
    """What believed statements had booked by the moment: instruction id -> sums."""
    line = statement_line.c
    in_vnd = line.currency == VND
    differs = and_(in_vnd, line.amount_vnd != instruction.c.amount_vnd)
    rows = read_columns(
        connection,
        select(
            line.instruction_id,
            _count(line.is_debit),
            _sum(and_(line.is_debit, in_vnd), line.amount_vnd),
            _count(~line.is_debit),
            _sum(and_(~line.is_debit, in_vnd), line.amount_vnd),
            _count(differs),
            _count(~in_vnd),
            _first(line.reason_code, True),
            func.coalesce(_first(line.bank_reference, line.is_debit), _first(line.bank_reference, True)),
        )
        .join_from(statement_line, bank_statement, bank_statement.c.id == line.statement_id)
        .join(instruction, instruction.c.id == line.instruction_id)
        .where(instruction.c.cycle_id == cycle_id, line.status == "BOOK", bank_statement.c.accepted_at <= as_of)
        .group_by(line.instruction_id),
    )
    return {
        row[0]: Booked(row[1], row[2], row[3], row[4], row[5] > 0, row[6] > 0, row[7] or "", row[8] or "")
        for row in zip(*rows.values(), strict=True)
    }


def _said(connection: Connection, cycle_id: int, as_of: datetime) -> dict[int, Said]:
    status = payment_status.c
    refusing = status.status.in_(sorted(REFUSALS))
    rows = read_columns(
        connection,
        select(
            status.instruction_id,
            _count(refusing),
            _first(status.reason_code, refusing),
            _first(status.bank_reference, True),
        )
        .join_from(payment_status, inbound_file, inbound_file.c.id == status.inbound_file_id)
        .join(instruction, instruction.c.id == status.instruction_id)
        .where(
            instruction.c.cycle_id == cycle_id,
            inbound_file.c.state == "ACCEPTED",
            inbound_file.c.decided_at <= as_of,
        )
        .group_by(status.instruction_id),
    )
    return {row[0]: Said(row[1] > 0, row[2] or "", row[3] or "") for row in zip(*rows.values(), strict=True)}


def _instructions(connection: Connection, cycle_id: int) -> dict[int, tuple[Any, ...]]:
    """Entitlement id -> its instruction; a cancelled one (it never left) gives way to a live one."""
    columns = [instruction.c[name] for name in _INSTRUCTION_COLUMNS]
    rows = read_columns(
        connection,
        select(instruction.c.entitlement_id, *columns)
        .where(instruction.c.cycle_id == cycle_id)
        .order_by(case((instruction.c.state == "CANCELLED", 0), else_=1), instruction.c.generation),
    )
    found = zip(*(rows[name] for name in _INSTRUCTION_COLUMNS), strict=True)
    return dict(zip(rows["entitlement_id"], found, strict=True))


def _count(condition: Any) -> Any:
    return cast(func.sum(case((condition, 1), else_=0)), BigInteger).label(None)


def _sum(condition: Any, amount: Any) -> Any:
    # PostgreSQL sums BIGINT to NUMERIC; no sum of ours leaves 63 bits.
    return cast(func.sum(case((condition, amount), else_=0)), BigInteger).label(None)


def _first(text: Any, condition: Any) -> Any:
    """The smallest text that is not empty where `condition` holds, else NULL."""
    given = text != ""
    return func.min(case((given if condition is True else and_(condition, given), text))).label(None)
