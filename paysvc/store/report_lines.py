"""The first road of a report: its lines from the store's rows, as they stood at a moment.

Only what carries a time decides (accepted statements, decided files, finished tries), never
a column that shows today's state, so that a moment in the past gives the same lines later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, or_, select

from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND
from paysvc.domain.report_lines import (
    NOT_SENT,
    NOTHING_BOOKED,
    OUTSTANDING,
    SENT,
    Booked,
    ReportLine,
    Said,
    discrepancies_of,
    judge,
    shown_bank_reference,
    shown_reason,
)
from paysvc.domain.report_records import SentFile
from paysvc.store.tables import (
    bank_statement,
    entitlement,
    inbound_file,
    instruction,
    payment_status,
    statement_line,
)

_INSTRUCTION_COLUMNS = ("id", "end_to_end_id", "amount_vnd", "channel", "bank_code", "batch_id")


#: One booked entry: instruction, đồng, currency, is it a debit, reason, the bank's reference.
_Entry = tuple[int, int, str, bool, str, str]


def read_lines(
    connection: Connection, cycle_id: int, approved_at: datetime, as_of: datetime, sent_files: Mapping[int, SentFile]
) -> tuple[list[ReportLine], list[tuple[int, int]]]:
    """One line per entitlement of the cycle in the order of their ids, judged as of the moment.

    `sent_files` maps a batch to its file, when it had one. Nothing was booked for the cycle
    before `approved_at`. The second list holds for each line (what is instructed in đồng, its
    batch), 0 where there is none.
    """
    instructions = _instructions(connection, cycle_id)
    booked = _booked(connection, {one[0]: one[2] for one in instructions.values()}, approved_at, as_of)
    said = _said(connection, cycle_id, as_of, sent_files)
    columns = entitlement.c
    rows = _rows(
        connection,
        select(columns.id, columns.programme_code, columns.unit_code, columns.amount_vnd, columns.disposition)
        .add_columns(columns.reason)
        .where(columns.cycle_id == cycle_id)
        .order_by(columns.id),
    )
    lines: list[ReportLine] = []
    instructed: list[tuple[int, int]] = []
    for number, (entitlement_id, programme, unit, amount, disposition, reason) in enumerate(rows, 1):
        found = instructions.get(entitlement_id) if disposition == "planned" else None
        if found is None:
            lines.append(_without_instruction(number, programme, unit, amount, disposition, reason))
            instructed.append((0, 0))
        else:
            file = sent_files.get(found[5])
            due = (number, found[1], programme, unit, found[3], found[4], amount)
            lines.append(_judged(due, file, booked.get(found[0], NOTHING_BOOKED), said.get(found[0])))
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


def _judged(due: tuple[Any, ...], file: SentFile | None, booked: Booked, said: Said | None) -> ReportLine:
    """`due` are the first seven fields of the line."""
    sending, message_id = (file.sending, file.message_id) if file else (NOT_SENT, "")
    outcome, state, reason = judge(sending, booked, said)
    reference = booked.bank_reference or (said.bank_reference if said else "")
    shown = (shown_reason(reason) if reason else "", shown_bank_reference(reference))
    disagrees = "" if booked is NOTHING_BOOKED else discrepancies_of(booked)
    sums = (booked.debits_vnd, booked.credits_vnd)
    return ReportLine._make((*due, state, message_id, *sums, outcome, *shown, disagrees))


def _booked(
    connection: Connection, own: Mapping[int, int], approved_at: datetime, as_of: datetime
) -> dict[int, Booked]:
    """What believed statements had booked by the moment under each of `own` (instruction -> đồng)."""
    line, columns = statement_line.c, bank_statement.c
    entries: Sequence[_Entry] = _rows(
        connection,
        select(line.instruction_id, line.amount_vnd, line.currency, line.is_debit, line.reason_code)
        .add_columns(line.bank_reference)
        .join_from(statement_line, bank_statement, columns.id == line.statement_id)
        .where(
            line.status == "BOOK",
            line.instruction_id.is_not(None),
            columns.accepted_at >= approved_at,
            columns.accepted_at <= as_of,
        ),
    )
    first: dict[int, _Entry] = {}
    several: dict[int, list[_Entry]] = {}
    for entry in entries:
        before = first.setdefault(entry[0], entry)
        if before is not entry:
            several.setdefault(entry[0], [before]).append(entry)
    return {
        instruction_id: _add_up(several.get(instruction_id) or [entry], own[instruction_id])
        for instruction_id, entry in first.items()
        if instruction_id in own
    }


def _add_up(entries: Sequence[_Entry], instructed_vnd: int) -> Booked:
    """The entries under one reference; the order in which they were booked does not matter."""
    if len(entries) == 1 and entries[0][2] == VND:
        _, amount, _, is_debit, reason, reference = entries[0]
        sums = (1, amount, 0, 0) if is_debit else (0, 0, 1, amount)
        return Booked(*sums, amount != instructed_vnd, False, reason, reference)
    debits = [entry for entry in entries if entry[3]]
    credits_ = [entry for entry in entries if not entry[3]]
    references = sorted(entry[5] for entry in debits if entry[5]) or sorted(entry[5] for entry in credits_ if entry[5])
    return Booked(
        len(debits),
        sum(entry[1] for entry in debits if entry[2] == VND),
        len(credits_),
        sum(entry[1] for entry in credits_ if entry[2] == VND),
        any(entry[2] == VND and entry[1] != instructed_vnd for entry in entries),
        any(entry[2] != VND for entry in entries),
        min((entry[4] for entry in entries if entry[4]), default=""),
        references[0] if references else "",
    )


def _said(
    connection: Connection, cycle_id: int, as_of: datetime, sent_files: Mapping[int, SentFile]
) -> dict[int, Said]:
    """Refusals in accepted status files; and any word at all about files of which we do not
    know that they arrived (elsewhere it would change nothing)."""
    status = payment_status.c
    uncertain = sorted(batch_id for batch_id, file in sent_files.items() if file.sending != SENT)
    rows = _rows(
        connection,
        select(status.instruction_id, status.status, status.reason_code, status.bank_reference)
        .join_from(payment_status, inbound_file, inbound_file.c.id == status.inbound_file_id)
        .join(instruction, instruction.c.id == status.instruction_id)
        .where(
            instruction.c.cycle_id == cycle_id,
            inbound_file.c.state == "ACCEPTED",
            inbound_file.c.decided_at <= as_of,
            or_(status.status.in_(sorted(REFUSALS)), instruction.c.batch_id.in_(uncertain)),
        ),
    )
    found: dict[int, Said] = {}
    for instruction_id, code, reason, reference in rows:
        before = found.get(instruction_id, Said())
        refused = code in REFUSALS
        reasons = [one for one in (before.reason, reason if refused else "") if one]
        references = [one for one in (before.bank_reference, reference) if one]
        found[instruction_id] = Said(before.refused or refused, min(reasons, default=""), min(references, default=""))
    return found


def _instructions(connection: Connection, cycle_id: int) -> dict[int, tuple[Any, ...]]:
    """Entitlement id -> (id, EndToEndId, đồng, channel, bank, batch) of its instruction; a
    cancelled one (it never left) gives way to a live one."""
    columns = instruction.c
    rows = _rows(
        connection,
        select(columns.entitlement_id, columns.id, columns.end_to_end_id, columns.amount_vnd, columns.channel)
        .add_columns(columns.bank_code, columns.batch_id)
        .where(columns.cycle_id == cycle_id)
        .order_by(case((columns.state == "CANCELLED", 0), else_=1), columns.generation),
    )
    return {row[0]: row[1:] for row in rows}


def _rows(connection: Connection, statement: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """The driver's own tuples: nothing here needs a type of ours, and there are hundreds of thousands."""
    cursor = connection.execute(statement).cursor
    assert cursor is not None
    return cursor.fetchall()
