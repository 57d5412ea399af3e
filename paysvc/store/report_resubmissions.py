"""Which payments of a cycle were made again, and which recalled, as it stood at a moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from paysvc.domain.recalling import RecallState
from paysvc.domain.report_lines import SEPARATOR, shown_reason
from paysvc.domain.report_records import Recalled, Resubmitted
from paysvc.store.tables import (
    approval,
    audit_event,
    bank_file,
    bank_statement,
    inbound_file,
    instant_text,
    instruction,
    payment_cycle,
    recall,
    replacement,
    resubmission,
)

_later = instruction.alias("later")


def read_resubmissions(connection: Connection, cycle_id: int, as_of: datetime) -> list[Resubmitted]:
    """The re-submissions of payments of this cycle, and of those whose place its payments take."""
    replaced_by = read_replacements(connection, as_of)
    in_place = select(replacement.c.replaced_id).join(_later, _later.c.id == replacement.c.instruction_id)
    columns, sent = resubmission.c, bank_file.alias("sent")
    rows: Sequence[Row[Any]] = connection.execute(
        select(resubmission, instruction.c.end_to_end_id, instruction.c.bank_code, instruction.c.amount_vnd)
        .add_columns(payment_cycle.c.code, inbound_file.c.sha256, sent.c.sha256.label("sent_sha256"))
        .join(instruction, instruction.c.id == columns.instruction_id)
        .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
        .outerjoin(bank_statement, bank_statement.c.id == columns.statement_id)
        .outerjoin(
            inbound_file,
            or_(inbound_file.c.id == columns.status_file_id, inbound_file.c.id == bank_statement.c.inbound_file_id),
        )
        .outerjoin(sent, sent.c.batch_id == columns.refused_batch_id)
        .where(
            columns.proposed_at <= as_of,
            or_(
                instruction.c.cycle_id == cycle_id,
                columns.instruction_id.in_(in_place.where(_later.c.cycle_id == cycle_id)),
            ),
        )
        .order_by(instruction.c.end_to_end_id, columns.id)
    ).all()
    # Of several proposals about a payment (one was declined) the approved one is why it was replaced; if none
    # was approved, all say that it was replaced, and the report does not pass.
    approved = {row.instruction_id: row.id for row in rows if _state(row, as_of)[0] == "approved"}
    return [
        _resubmitted(
            row,
            as_of,
            replaced_by.get(row.instruction_id, []) if approved.get(row.instruction_id, row.id) == row.id else [],
        )
        for row in rows
    ]


def read_replacements(connection: Connection, as_of: datetime) -> dict[int, list[str]]:
    """Payment -> those in its place whose plan was approved at the moment."""
    stood = and_(
        approval.c.cycle_id == _later.c.cycle_id,
        approval.c.approved_at <= as_of,
        or_(approval.c.cancelled_at.is_(None), approval.c.cancelled_at > as_of),
    )
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        select(replacement.c.replaced_id, _later.c.end_to_end_id)
        .join(_later, _later.c.id == replacement.c.instruction_id)
        .join(approval, stood)
        .distinct()
        .order_by(replacement.c.replaced_id, _later.c.end_to_end_id)
    )
    for replaced_id, name in rows:
        found.setdefault(replaced_id, []).append(name)
    return found


def _state(row: Row[Any], as_of: datetime) -> tuple[str, str, str]:
    """What stood of a proposal at the moment: its state, who decided it, and when."""
    state, by, at = "proposed", "", ""
    for name, who, moment in (
        ("approved", row.approved_by, row.approved_at),
        ("closed", row.closed_by, row.closed_at),
    ):
        if moment is not None and moment <= as_of:
            state, by, at = name, who, instant_text(moment)
    return state, by, at


def _resubmitted(row: Row[Any], as_of: datetime, replaced_by: list[str]) -> Resubmitted:
    if row.status_file_id is not None:
        kind, digest, place = "status", row.sha256, str(row.status_position)
    elif row.statement_id is not None:
        kind, digest, place = "statement", row.sha256, str(row.line_position)
    else:
        kind, digest, place = "file_refused", row.sent_sha256, ""
    state, by, at = _state(row, as_of)
    return Resubmitted(
        end_to_end_id=row.end_to_end_id,
        cycle=row.code,
        bank=row.bank_code,
        amount_vnd=row.amount_vnd,
        unpaid=row.state.lower(),
        reason=shown_reason(row.reason_code),
        evidence=kind,
        evidence_sha256=digest.hex() if digest else "",
        evidence_row=place,
        proposed_by=row.proposed_by,
        proposed_at=instant_text(row.proposed_at),
        state=state,
        decided_by=by,
        decided_at=at,
        replaced_by=SEPARATOR.join(replaced_by),
    )


def read_recalls(connection: Connection, cycle_id: int, as_of: datetime) -> list[Recalled]:
    """The recalls of payments of this cycle, and of payments that took the place of one of its own."""
    replaced = instruction.alias("replaced")
    in_place = select(replacement.c.instruction_id).join(replaced, replaced.c.id == replacement.c.replaced_id)
    columns = recall.c
    rows = connection.execute(
        select(recall, instruction.c.end_to_end_id, instruction.c.amount_vnd)
        .join(instruction, instruction.c.id == columns.instruction_id)
        .where(
            columns.requested_at <= as_of,
            or_(
                instruction.c.cycle_id == cycle_id,
                columns.instruction_id.in_(in_place.where(replaced.c.cycle_id == cycle_id)),
            ),
        )
        # Several requests about one payment in the order in which they were made.
        .order_by(instruction.c.end_to_end_id, columns.id)
    ).all()
    states = _states(connection, [f"recall:{row.case_id}" for row in rows], as_of)
    return [_recalled(row, as_of, states) for row in rows]


def _recalled(row: Row[Any], as_of: datetime, states: Mapping[str, str]) -> Recalled:
    is_answered = row.answered_at is not None and row.answered_at <= as_of
    state = row.state if is_answered else states.get(f"recall:{row.case_id}", RecallState.SEALED)
    return Recalled(
        end_to_end_id=row.end_to_end_id,
        bank=row.bank_code,
        amount_vnd=row.amount_vnd,
        requested_at=instant_text(row.requested_at),
        file_sha256=row.sha256.hex() if row.sha256 else "",
        state=state.lower(),
        answer=shown_reason(row.answer_code) if is_answered else "",
    )


def _states(connection: Connection, subjects: list[str], as_of: datetime) -> dict[str, str]:
    """What the trail says of these recalls at the moment: a row's state has no time of its own."""
    event = audit_event.c
    rows = connection.execute(
        select(event.subject, event.detail).where(event.subject.in_(subjects), event.at <= as_of).order_by(event.id)
    )
    return {row.subject: str(json.loads(row.detail)["state"]) for row in rows}
