"""The equation of payments made again, asked of the rows (`store.book_checks` asks the others)."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import BatchState
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store import stacked_payments
from paysvc.store.bulk import in_chunks
from paysvc.store.tables import (
    batch,
    discrepancy,
    instruction,
    obligation,
    obligation_claim,
    payment_status,
    resubmission,
    statement_line,
)


def resubmissions(connection: Connection) -> Examined:
    """Every payment that left and ended unpaid, and every obligation that payments carry to somebody, also
    beside another of its group of programmes."""
    found = [*_released_by_nobody(connection), *_paid_twice(connection), *_paid_beside(connection)]
    ended = select(func.count()).where(~instruction.c.is_live, instruction.c.batch_id.is_not(None))
    count = connection.execute(ended).scalar_one()
    return Examined(Equation.RESUBMISSIONS, int(count), tuple(found))


def _released_by_nobody(connection: Connection) -> list[Difference]:
    """Payments that left and whose dues are free, without two officers or without the bank's word."""
    one, said, status, line = instruction.c, resubmission.c, payment_status.c, statement_line.c
    by_status = exists().where(
        status.inbound_file_id == said.status_file_id,
        status.position == said.status_position,
        status.instruction_id == one.id,
    )
    by_line = exists().where(
        line.statement_id == said.statement_id,
        line.position == said.line_position,
        line.instruction_id == one.id,
        ~line.is_debit,
    )
    by_batch = exists().where(
        batch.c.id == said.refused_batch_id, batch.c.id == one.batch_id, batch.c.state == BatchState.REFUSED.value
    )
    approved = exists().where(
        said.instruction_id == one.id,
        said.approved_at.is_not(None),
        said.closed_at.is_(None),
        said.approved_by != said.proposed_by,
        or_(by_status, by_line, by_batch),
    )
    rows = connection.execute(
        select(one.end_to_end_id)
        .join(obligation_claim, obligation_claim.c.entitlement_id == one.entitlement_id)
        .where(obligation_claim.c.released_at.is_not(None), one.batch_id.is_not(None), ~approved)
        .distinct()
        .order_by(one.end_to_end_id)
        .limit(MOST_NAMED)
    )
    expected = "two officers, on the bank's word"
    return [
        Difference(Equation.RESUBMISSIONS, f"payment {name}, free to be made again", expected, "not so")
        for name in rows.scalars()
    ]


def _paid_twice(connection: Connection) -> list[Difference]:
    """Obligations with more than one live payment at a bank; each but the first has to be noted."""
    one, claim = instruction.c, obligation_claim.c
    is_noted = exists().where(
        discrepancy.c.instruction_id == one.id,
        discrepancy.c.kind == DiscrepancyKind.PAID_AFTER_RESUBMISSION.value,
        discrepancy.c.resolved_at.is_(None),
    )
    # What no line released is on one line alone: only the few that were have to be looked at.
    again = select(claim.obligation_id).where(claim.released_at.is_not(None))
    live = func.count(one.id)
    noted = func.sum(case((is_noted, 1), else_=0))
    rows = connection.execute(
        select(obligation.c.id, live, noted)
        .join(obligation_claim, claim.obligation_id == obligation.c.id)
        .join(instruction, and_(one.entitlement_id == claim.entitlement_id, one.is_live, one.batch_id.is_not(None)))
        .where(obligation.c.id.in_(again))
        .group_by(obligation.c.id)
        .having(live - 1 > noted)
        .order_by(obligation.c.id)
        .limit(MOST_NAMED)
    )
    return [
        Difference(Equation.RESUBMISSIONS, f"obligation {row_id}", f"{count - 1} noted to be paid twice", str(noted))
        for row_id, count, noted in rows
    ]


def _paid_beside(connection: Connection) -> list[Difference]:
    """Payments at a bank beside a live one of their group for the same month; the later of two has to be noted."""
    pairs = stacked_payments.live_pairs(connection)
    names: dict[int, str] = {}
    noted: set[int] = set()
    for chunk in in_chunks({row_id for pair in pairs for row_id in pair}):
        named = select(instruction.c.id, instruction.c.end_to_end_id).where(instruction.c.id.in_(chunk))
        names.update((row.id, row.end_to_end_id) for row in connection.execute(named))
        open_notes = select(discrepancy.c.instruction_id).where(
            discrepancy.c.instruction_id.in_(chunk),
            discrepancy.c.kind == DiscrepancyKind.PAID_AFTER_RESUBMISSION.value,
            discrepancy.c.resolved_at.is_(None),
        )
        noted.update(connection.execute(open_notes).scalars())
    return [
        Difference(Equation.RESUBMISSIONS, f"payments {names[one]} and {names[other]}", "noted as paid twice", "not so")
        for one, other in sorted(pair for pair in pairs if pair[1] not in noted)[:MOST_NAMED]
    ]
