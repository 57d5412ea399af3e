"""What the first road of a report starts from: the store's rows, as they stood at a moment.

Only what carries a time decides (accepted statements, decided files, finished tries), never
a column that shows today's state, so that a moment in the past gives the same lines later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, or_, select

from paysvc.core.first_road import (
    BookedColumns,
    DueColumns,
    Facts,
    InstructedColumns,
    InstructionColumns,
    instructed_of,
    lines_of,
)
from paysvc.core.report_lines import LineColumns
from paysvc.core.text_column import Int64
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.report_lines import SENT, Said
from paysvc.domain.report_records import SentFile
from paysvc.store.packed import Packed, read_packed
from paysvc.store.tables import (
    bank_statement,
    batch,
    dissolved_payment,
    entitlement,
    inbound_file,
    instruction,
    payment_status,
    statement_line,
    withdrawal,
)


def read_lines(
    connection: Connection, cycle_id: int, approved_at: datetime, as_of: datetime, sent_files: Mapping[int, SentFile]
) -> tuple[LineColumns, InstructedColumns]:
    """One line per entitlement of the cycle in the order of their ids, judged as of the moment.

    `sent_files` maps a batch to its file, when it had one. Nothing was booked for the cycle
    before `approved_at`.
    """
    facts = Facts(
        due=_due(connection, cycle_id),
        instructions=_instructions(connection, cycle_id, as_of),
        entries=_entries(connection, approved_at, as_of),
        said=_said(connection, cycle_id, as_of, sent_files),
        files=sent_files,
        withdrawn=_withdrawn(connection, cycle_id, as_of),
    )
    return lines_of(facts), instructed_of(facts)


def _said(
    connection: Connection, cycle_id: int, as_of: datetime, sent_files: Mapping[int, SentFile]
) -> dict[int, Said]:
    """Refusals in accepted status files; and any word at all about files of which we do not
    know that they arrived (elsewhere it would change nothing)."""
    status = payment_status.c
    uncertain = sorted(batch_id for batch_id, file in sent_files.items() if file.sending != SENT)
    rows = connection.execute(
        select(status.instruction_id, status.status, status.reason_code, status.bank_reference)
        .join_from(payment_status, inbound_file, inbound_file.c.id == status.inbound_file_id)
        .join(instruction, instruction.c.id == status.instruction_id)
        .where(
            instruction.c.cycle_id == cycle_id,
            inbound_file.c.state == "ACCEPTED",
            inbound_file.c.decided_at <= as_of,
            or_(
                status.status.in_(sorted(REFUSALS)),
                instruction.c.batch_id.in_(uncertain),
                # Where its batch was dissolved after the moment, the payment was in that one.
                instruction.c.id.in_(
                    select(dissolved_payment.c.instruction_id).where(dissolved_payment.c.batch_id.in_(uncertain))
                ),
            ),
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


def _due(connection: Connection, cycle_id: int) -> DueColumns:
    columns = entitlement.c
    found = read_packed(
        connection,
        select(columns.id, columns.programme_code, columns.unit_code, columns.amount_vnd, columns.disposition)
        .add_columns(columns.reason)
        .where(columns.cycle_id == cycle_id)
        .order_by(columns.id),
    )
    every = DueColumns(
        id=found.numbers("id"),
        programme=found.texts("programme_code"),
        unit=found.texts("unit_code"),
        amount_vnd=found.numbers("amount_vnd"),
        disposition=found.texts("disposition"),
        reason=found.texts("reason"),
    )
    return every.take(np.argsort(every.id))


def _instructions(connection: Connection, cycle_id: int, as_of: datetime) -> InstructionColumns:
    """By generation: a later one takes the place of an earlier one; each in the batch in which it was at the moment."""
    columns = instruction.c
    found = read_packed(
        connection,
        select(columns.id, columns.entitlement_id, columns.end_to_end_id, columns.amount_vnd, columns.channel)
        .add_columns(columns.bank_code, columns.batch_id, columns.generation)
        .where(columns.cycle_id == cycle_id),
    )
    every = InstructionColumns(
        id=found.numbers("id"),
        entitlement_id=found.numbers("entitlement_id"),
        end_to_end_id=found.texts("end_to_end_id"),
        amount_vnd=found.numbers("amount_vnd"),
        channel=found.texts("channel"),
        bank=found.texts("bank_code"),
        batch_id=_batches_then(connection, cycle_id, as_of, found),
    )
    return every.take(np.argsort(found.numbers("generation"), kind="stable"))


def _withdrawn(connection: Connection, cycle_id: int, as_of: datetime) -> frozenset[int]:
    columns = withdrawal.c
    rows = connection.execute(
        select(columns.instruction_id)
        .join(instruction, instruction.c.id == columns.instruction_id)
        .where(instruction.c.cycle_id == cycle_id, columns.withdrawn_at <= as_of)
    )
    return frozenset(rows.scalars())


def _batches_then(connection: Connection, cycle_id: int, as_of: datetime, found: Packed) -> Int64:
    """The batch of each instruction: the one of today, but for what a batch held that was dissolved after the moment.
    A batch of today that was made later has no file at the moment, and is as good as none."""
    today, ids = found.numbers("batch_id", absent=0), found.numbers("id")
    held = dissolved_payment.c
    then = read_packed(
        connection,
        select(held.instruction_id, held.batch_id)
        .join_from(dissolved_payment, batch, batch.c.id == held.batch_id)
        .where(batch.c.cycle_id == cycle_id, batch.c.created_at <= as_of, batch.c.dissolved_at > as_of),
    )
    if not then.count:
        return today
    order = np.argsort(ids)
    today[order[np.searchsorted(ids, then.numbers("instruction_id"), sorter=order)]] = then.numbers("batch_id")
    return today


def _entries(connection: Connection, approved_at: datetime, as_of: datetime) -> BookedColumns:
    """What believed statements had booked by the moment under any instruction."""
    line, columns = statement_line.c, bank_statement.c
    found = read_packed(
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
    return BookedColumns(
        instruction_id=found.numbers("instruction_id"),
        amount_vnd=found.numbers("amount_vnd"),
        currency=found.texts("currency"),
        is_debit=found.flags("is_debit"),
        reason=found.texts("reason_code"),
        bank_reference=found.texts("bank_reference"),
    )
