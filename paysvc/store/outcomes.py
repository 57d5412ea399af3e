"""What became of a cycle, in entitlements and in đồng; nobody vanishes.

An entitlement is one person in one programme. planned + held + excluded = entitled, and
settled + returned + rejected + outstanding + unknown + withdrawn = planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, and_, case, cast, exists, func, select

from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.reconciliation import Outcome
from paysvc.store.tables import batch, entitlement, instruction

#: What becomes of a payment by an officer's word, and by no bank's.
_WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class CycleOutcomes:
    """All that a cycle owes, by where it is. `held` and `excluded` are by reason."""

    entitled: Figure
    planned: Figure
    settled: Figure
    returned: Figure
    rejected: Figure
    outstanding: Figure
    unknown: Figure
    withdrawn: Figure
    held: Mapping[str, Figure]
    excluded: Mapping[str, Figure]

    @property
    def all_held(self) -> Figure:
        return sum(self.held.values(), Figure())

    @property
    def all_excluded(self) -> Figure:
        return sum(self.excluded.values(), Figure())


def outcomes_of_cycle(connection: Connection, cycle_id: int) -> CycleOutcomes:
    """The figures of a cycle now. Raises `DoesNotReconcile` when they do not add up."""
    dispositions = _dispositions(connection, cycle_id)
    outcomes = _outcomes(connection, cycle_id)
    found = CycleOutcomes(
        entitled=sum(dispositions.values(), Figure()),
        planned=dispositions.get(("planned", ""), Figure()),
        settled=outcomes.get(Outcome.SETTLED, Figure()),
        returned=outcomes.get(Outcome.RETURNED, Figure()),
        rejected=outcomes.get(Outcome.REJECTED, Figure()),
        outstanding=outcomes.get(Outcome.OUTSTANDING, Figure()),
        unknown=outcomes.get(Outcome.UNKNOWN, Figure()),
        withdrawn=outcomes.get(_WITHDRAWN, Figure()),
        held={reason: figure for (kind, reason), figure in dispositions.items() if kind == "held"},
        excluded={reason: figure for (kind, reason), figure in dispositions.items() if kind == "excluded"},
    )
    if sum(outcomes.values(), Figure()) != found.planned:
        raise DoesNotReconcile(
            "outcomes_do_not_add_up", "The outcomes of the payments are not together what was planned."
        )
    return found


def _dispositions(connection: Connection, cycle_id: int) -> dict[tuple[str, str], Figure]:
    rows = connection.execute(
        select(
            entitlement.c.disposition,
            entitlement.c.reason,
            func.count(),
            cast(func.sum(entitlement.c.amount_vnd), BigInteger),
        )
        .where(entitlement.c.cycle_id == cycle_id)
        .group_by(entitlement.c.disposition, entitlement.c.reason)
        .order_by(entitlement.c.disposition, entitlement.c.reason)
    )
    return {(kind, reason): Figure(count, amount) for kind, reason, count, amount in rows}


def _outcomes(connection: Connection, cycle_id: int) -> dict[str, Figure]:
    """The last instruction of each entitlement, by outcome."""
    later = instruction.alias("later")
    is_last = ~exists().where(
        later.c.entitlement_id == instruction.c.entitlement_id, later.c.generation > instruction.c.generation
    )
    state = instruction.c.state
    nothing_booked = and_(instruction.c.debit_count == 0, instruction.c.credit_count == 0)
    outcome = case(
        (state == InstructionState.SETTLED.value, Outcome.SETTLED.value),
        (state == InstructionState.RETURNED.value, Outcome.RETURNED.value),
        (state == InstructionState.REJECTED.value, Outcome.REJECTED.value),
        (state == InstructionState.UNKNOWN.value, Outcome.UNKNOWN.value),
        (state == InstructionState.CANCELLED.value, _WITHDRAWN),
        # A try is under way, or broke off: the bank may have it.
        (
            and_(state == InstructionState.BATCHED.value, batch.c.state == BatchState.SENDING.value),
            Outcome.UNKNOWN.value,
        ),
        # Booked, and a part came back: what the outcome says is where the money is, not that all is well.
        (
            and_(state == InstructionState.DISPUTED.value, instruction.c.debited_vnd > instruction.c.credited_vnd),
            Outcome.SETTLED.value,
        ),
        # Refused, whatever else the bank said, and nothing is booked (issue rule of reconciliation).
        (
            and_(state == InstructionState.DISPUTED.value, instruction.c.is_refused, nothing_booked),
            Outcome.REJECTED.value,
        ),
        else_=Outcome.OUTSTANDING.value,
    ).label("outcome")
    rows = connection.execute(
        select(outcome, func.count(), cast(func.sum(instruction.c.amount_vnd), BigInteger))
        .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
        .outerjoin(batch, batch.c.id == instruction.c.batch_id)
        .where(
            instruction.c.cycle_id == cycle_id,
            entitlement.c.disposition == "planned",
            is_last,
        )
        .group_by(outcome)
    )
    return {name: Figure(count, amount) for name, count, amount in rows}
