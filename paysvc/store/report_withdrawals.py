"""Which payments of a cycle were withdrawn before they left, as it stood at a moment."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, select

from paysvc.domain.report_figures import Figure
from paysvc.domain.report_lines import SEPARATOR
from paysvc.domain.report_records import Withdrawn
from paysvc.store.report_resubmissions import read_replacements
from paysvc.store.tables import audit_event, instant_text, instruction, withdrawal


def read_withdrawals(connection: Connection, cycle_id: int, as_of: datetime) -> list[Withdrawn]:
    """The withdrawn payments of this cycle, by EndToEndId."""
    replaced_by = read_replacements(connection, as_of)
    columns = withdrawal.c
    rows = connection.execute(
        select(withdrawal, instruction.c.end_to_end_id, instruction.c.amount_vnd)
        .join(instruction, instruction.c.id == columns.instruction_id)
        .where(instruction.c.cycle_id == cycle_id, columns.withdrawn_at <= as_of)
        .order_by(instruction.c.end_to_end_id)
    )
    return [
        Withdrawn(
            end_to_end_id=row.end_to_end_id,
            amount_vnd=row.amount_vnd,
            withdrawn_by=row.withdrawn_by,
            withdrawn_at=instant_text(row.withdrawn_at),
            replaced_by=SEPARATOR.join(replaced_by.get(row.instruction_id, [])),
        )
        for row in rows
    ]


def read_withdrawn_by_trail(connection: Connection, cycle_code: str, as_of: datetime) -> Figure:
    """How many payments of this cycle were withdrawn by the moment, and how many đồng, as the trail tells."""
    event = audit_event.c
    details = connection.execute(
        select(event.detail).where(
            event.subject == f"cycle:{cycle_code}", event.verb == "withdraw-payments", event.at <= as_of
        )
    ).scalars()
    told = [json.loads(detail) for detail in details]
    return Figure(sum(int(one["count"]) for one in told), sum(int(one["sum_vnd"]) for one in told))
