"""Payments to one person for one month out of programmes of one group, of which only one is to be paid.

Plans of a group wait for each other, and each sees what the others carry. Unseen comes only what was
to be made again and is booked after all (C29): from these few the statements here begin.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, text

from paysvc.domain.instructions import InstructionState
from paysvc.store.bulk import in_chunks

#: From a payment `o` by its months to the others, `i`, in their programmes. CROSS JOIN and the plus keep SQLite
#: on that way: the other one begins with every payment there ever was.
_BESIDE = (
    " CROSS JOIN obligation_claim theirs CROSS JOIN obligation b CROSS JOIN programme q CROSS JOIN programme p"
    " CROSS JOIN obligation a CROSS JOIN obligation_claim mine CROSS JOIN instruction i"
    " WHERE theirs.entitlement_id = o.entitlement_id AND b.id = theirs.obligation_id AND q.code = b.programme_code"
    " AND q.stacking_group <> '' AND p.stacking_group = q.stacking_group AND p.code <> q.code"
    " AND a.programme_code = p.code AND a.period = b.period AND a.beneficiary_id = b.beneficiary_id"
    " AND mine.obligation_id = a.id AND i.entitlement_id = mine.entitlement_id"
)
_OF_RELEASED = f" FROM resubmission r CROSS JOIN instruction o{_BESIDE} AND r.approved_at IS NOT NULL"
_OVERTAKEN = text(
    f"SELECT i.end_to_end_id, MIN(o.end_to_end_id){_OF_RELEASED} AND o.id = r.instruction_id AND o.is_live"
    " AND +i.cycle_id = :cycle_id AND i.state = :state GROUP BY i.end_to_end_id"
)
_BOTH_LEFT = text(
    f"SELECT DISTINCT o.id, i.id{_OF_RELEASED} AND o.id = r.instruction_id AND o.is_live AND i.is_live"
    " AND o.batch_id IS NOT NULL AND i.batch_id IS NOT NULL"
)
_FROM_THESE = f" FROM instruction o{_BESIDE} AND o.id IN :ids"
_OF_THESE = text(f"SELECT DISTINCT o.id, i.id{_FROM_THESE}").bindparams(bindparam("ids", expanding=True))


def overtaken(connection: Connection, cycle_id: int, state: InstructionState) -> dict[str, str]:
    """Payments of a plan in this state that must not leave, because one of another programme of their
    group was booked late: EndToEndId -> that of the other one."""
    rows = connection.execute(_OVERTAKEN, {"cycle_id": cycle_id, "state": state.value})
    return {row[0]: row[1] for row in rows}


def pairs(connection: Connection, instruction_ids: Iterable[int]) -> set[tuple[int, int]]:
    """(earlier, later) payments of one group, person and month in which one of these is, whatever became of them."""
    found = [row for chunk in in_chunks(instruction_ids) for row in connection.execute(_OF_THESE, {"ids": chunk}).all()]
    return {(min(row), max(row)) for row in found}


def live_pairs(connection: Connection) -> set[tuple[int, int]]:
    """All (earlier, later) that are both live and in a batch."""
    return {(min(row), max(row)) for row in connection.execute(_BOTH_LEFT).all()}
