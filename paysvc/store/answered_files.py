"""Lost files that officers answered for by hand: whom they may have paid, by the dues and not by the ids alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
from sqlalchemy import Connection, and_, exists, func, or_, select

from paysvc.domain.answered_dues import Answered, NamedDues, may_be_paid
from paysvc.domain.errors import Waiting
from paysvc.domain.instructions import BatchState, CycleState, InstructionState
from paysvc.domain.payment_dates import month_number
from paysvc.store import programmes
from paysvc.store.bulk import Same, insert_columns, read_columns
from paysvc.store.cycles import Cycle, find_cycle
from paysvc.store.tables import (
    audit_event,
    bank_file,
    batch,
    beneficiary,
    instruction,
    lost_file,
    lost_reference,
    obligation,
    obligation_claim,
    payment_cycle,
)

#: The month of the value date in a MsgId (`identifiers.message_id`).
_MONTH = re.compile(r"M(\d{4})(\d\d)\d\d")
#: Vietnam is seven hours ahead: only where a MsgId says no date.
_HERE = timedelta(hours=7)


def read_answered(connection: Connection, reference_key: bytes) -> Answered | None:
    """What is in the files that officers answered for, or None when there are none."""
    again = exists().where(batch.c.bank_code == lost_file.c.bank_code, batch.c.message_id == lost_file.c.message_id)
    files = connection.execute(select(lost_file).where(lost_file.c.settled_at.is_not(None), ~again)).all()
    if not files:
        return None
    together = programmes.read_paid_together(connection)
    references: dict[str, str] = {}
    for file in files:
        known, said = find_cycle(connection, file.cycle_code), _MONTH.match(file.message_id)
        month = f"{said[1]}-{said[2]}" if said else f"{file.left_at + _HERE:%Y-%m}"
        # What the cycle pays by the plan of today; without one all that its day may have paid.
        last = max(known.periods) if known else max([month, *together.get(month, ())])
        of_file = select(lost_reference.c.reference).where(lost_reference.c.lost_file_id == file.id)
        references.update(
            (name, max(last, references.get(name, last))) for name in connection.execute(of_file).scalars()
        )
    return Answered(references, reference_key, programmes.read_programmes(connection))


def burn_what_waits(
    connection: Connection, file_id: int, reference_key: bytes, *, besides: frozenset[str] = frozenset()
) -> None:
    """Add to an answered file the ids of payments whose dues it may have paid, and which wait in plans that
    cannot be drawn anew, in no batch or in one that was not written: they never leave, as if they were in it. Not
    those `besides`, which are in open files: there they have left, and an id in two lost files is the proof that the
    earlier one has not."""
    unwritten = and_(
        instruction.c.state == InstructionState.BATCHED.value,
        instruction.c.batch_id.in_(
            select(batch.c.id).where(
                batch.c.state == BatchState.SEALED.value, ~exists().where(bank_file.c.batch_id == batch.c.id)
            )
        ),
    )
    planned = and_(instruction.c.state == InstructionState.PLANNED.value, instruction.c.batch_id.is_(None))
    answered = read_answered(connection, reference_key)
    if answered is None:
        return
    waiting = read_columns(
        connection,
        select(
            instruction.c.end_to_end_id,
            instruction.c.generation,
            obligation.c.programme_code,
            obligation.c.period,
            beneficiary.c.citizen_key,
        )
        .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
        .join(obligation_claim, obligation_claim.c.entitlement_id == instruction.c.entitlement_id)
        .join(obligation, obligation.c.id == obligation_claim.c.obligation_id)
        .join(beneficiary, beneficiary.c.id == obligation.c.beneficiary_id)
        .where(
            payment_cycle.c.state == CycleState.RELEASED.value,
            or_(planned, unwritten),
        ),
    )
    dues = NamedDues(
        waiting["programme_code"],
        np.array([month_number(period) for period in waiting["period"]], dtype=np.int64),
        waiting["citizen_key"],
        np.array(waiting["generation"], dtype=np.int64),
    )
    concerned = {waiting["end_to_end_id"][row] for row in np.flatnonzero(may_be_paid(answered, dues)).tolist()}
    news = sorted(concerned - set(answered.references) - besides)
    insert_columns(connection, lost_reference, {"lost_file_id": Same(file_id), "reference": news})


def require_drawn_since(connection: Connection, cycle: Cycle, message_ids: Iterable[str]) -> None:
    """Raise `Waiting` when officers answered for one of these files after the plan was drawn: it may pay the
    months of that file under other ids, and can still be drawn anew.

    Asked of the trail, whose order is that of what was done, whatever clocks said.
    """
    event = audit_event.c
    drawn = connection.execute(
        select(func.max(event.id)).where(event.subject == f"cycle:{cycle.code}", event.verb == "plan-payments")
    ).scalar_one()
    if drawn is None or cycle.state is not CycleState.APPROVED:
        return
    since = select(event.detail).where(event.subject == "database", event.verb == "recover", event.id > drawn)
    answered = {name for detail in connection.execute(since).scalars() for name in json.loads(detail)["by_hand"]}
    late = sorted(answered.intersection(message_ids))
    if late:
        raise Waiting(
            "plan_before_answer",
            f"The plan of {cycle.code} was drawn before officers answered for {', '.join(late)} by hand, and may pay"
            " the same months under other ids.",
            next_step="Withdraw the plan and plan it again under its code; who may have been paid is held then.",
        )
