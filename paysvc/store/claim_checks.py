"""The equation of what lines of plans carry, asked of the rows (`store.book_checks` asks the others).

`resubmissions` says who may carry a month again; here it is that nobody's month is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select

from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import CycleState, InstructionState
from paysvc.store.tables import (
    entitlement,
    instruction,
    obligation,
    obligation_claim,
    payment_cycle,
    unplanned_obligation,
)


def claims(connection: Connection) -> Examined:
    """Every line of a plan against the months that it carries, and every month against the lines."""
    found = [
        *_lines(connection),
        *_released_before_they_left(connection),
        *_held_twice(connection),
        *_claims_of_nothing(connection),
        *_carried_by_nobody(connection),
    ]
    count = connection.execute(select(func.count()).select_from(obligation)).scalar_one()
    return Examined(Equation.CLAIMS, int(count), tuple(found))


def _lines(connection: Connection) -> Iterator[Difference]:
    """Lines (drafts may be in the making) over another amount than their months, or with somebody else's."""
    line, due = entitlement.c, obligation.c
    # Every line has a month at least, so a line without any counts one that is missing.
    is_its_own = and_(due.beneficiary_id == line.beneficiary_id, due.programme_code == line.programme_code)
    strange = func.sum(case((is_its_own, 0), else_=1))
    amount = func.coalesce(func.sum(due.amount_vnd), 0)
    rows = connection.execute(
        select(line.id, payment_cycle.c.code, line.amount_vnd, amount, strange)
        .join(payment_cycle, payment_cycle.c.id == line.cycle_id)
        .outerjoin(obligation_claim, obligation_claim.c.entitlement_id == line.id)
        .outerjoin(obligation, due.id == obligation_claim.c.obligation_id)
        .where(payment_cycle.c.state != CycleState.DRAFT.value)
        .group_by(line.id, payment_cycle.c.code, line.amount_vnd)
        .having(or_(amount != line.amount_vnd, strange > 0))
        .order_by(line.id)
        .limit(MOST_NAMED)
    )
    for row_id, code, said, carried, others in rows:
        found = f"months over {int(carried)} đồng" + (", not all of them there and its own" if others else "")
        yield Difference(Equation.CLAIMS, f"line {row_id} of cycle {code}", f"months over {said} đồng", found)


def _released_before_they_left(connection: Connection) -> Iterator[Difference]:
    """Planned lines whose payment is in no batch yet, and whose months another plan could take; and withdrawn
    ones whose months none can.

    Those that left are a matter of `resubmissions`.
    """
    one, claim = instruction.c, obligation_claim.c
    is_withdrawn = one.state == InstructionState.CANCELLED.value
    rows = connection.execute(
        select(one.end_to_end_id, case((is_withdrawn, 1), else_=0))
        .join(obligation_claim, claim.entitlement_id == one.entitlement_id)
        .where(one.batch_id.is_(None), is_withdrawn != claim.released_at.is_not(None))
        .distinct()
        .order_by(one.end_to_end_id)
        .limit(MOST_NAMED)
    )
    holds, free = "holds its months", "free for another plan"
    for name, was_withdrawn in rows:
        yield Difference(Equation.CLAIMS, f"payment {name}", *((free, holds) if was_withdrawn else (holds, free)))


def _held_twice(connection: Connection) -> Iterator[Difference]:
    """Months that two lines hold, and months that a line holds which is not paid."""
    claim = obligation_claim.c
    number = func.count()
    twice = connection.execute(
        select(claim.obligation_id, number)
        .where(claim.released_at.is_(None))
        .group_by(claim.obligation_id)
        .having(number > 1)
        .order_by(claim.obligation_id)
        .limit(MOST_NAMED)
    )
    for row_id, lines in twice:
        yield Difference(Equation.CLAIMS, f"obligation {row_id}", "held by one line", f"held by {lines}")
    unpaid = connection.execute(
        select(entitlement.c.id, payment_cycle.c.code)
        .join(payment_cycle, payment_cycle.c.id == entitlement.c.cycle_id)
        .where(
            entitlement.c.disposition != "planned",
            payment_cycle.c.state != CycleState.DRAFT.value,
            exists().where(claim.entitlement_id == entitlement.c.id, claim.released_at.is_(None)),
        )
        .order_by(entitlement.c.id)
        .limit(MOST_NAMED)
    )
    for row_id, code in unpaid:
        yield Difference(Equation.CLAIMS, f"line {row_id} of cycle {code}", "not paid, its months free", "holds them")


def _claims_of_nothing(connection: Connection) -> Iterator[Difference]:
    claim = obligation_claim.c
    rows = connection.execute(
        select(claim.entitlement_id, claim.obligation_id, _is_there(entitlement.c.id), _is_there(obligation.c.id))
        .outerjoin(entitlement, entitlement.c.id == claim.entitlement_id)
        .outerjoin(obligation, obligation.c.id == claim.obligation_id)
        .where(or_(entitlement.c.id.is_(None), obligation.c.id.is_(None)))
        .order_by(claim.obligation_id, claim.entitlement_id)
        .limit(MOST_NAMED)
    )
    for line, due, has_line, has_due in rows:
        lacking = [name for name, is_there in (("line", has_line), ("obligation", has_due)) if not is_there]
        subject = f"claim of line {line} on obligation {due}"
        yield Difference(Equation.CLAIMS, subject, "its line and its obligation", f"no {' and no '.join(lacking)}")


def _carried_by_nobody(connection: Connection) -> Iterator[Difference]:
    """Months that were recorded and that no line carries: only what a draft gave up waits like that."""
    rows = connection.execute(
        select(obligation.c.id)
        .where(
            ~exists().where(obligation_claim.c.obligation_id == obligation.c.id),
            ~exists().where(unplanned_obligation.c.obligation_id == obligation.c.id),
        )
        .order_by(obligation.c.id)
        .limit(MOST_NAMED)
    )
    for row_id in rows.scalars():
        yield Difference(Equation.CLAIMS, f"obligation {row_id}", "carried by a line", "by none")


def _is_there(column: ColumnElement[int]) -> ColumnElement[int]:
    return case((column.is_(None), 0), else_=1)
