"""approve-plan and what surrounds it: submit, approve, return, withdraw, hold a payment.

A maker submits, another officer approves, and the approval speaks of the digest of what is
paid. Any change cancels it and makes the plan a draft again. The database refuses whatever
these functions would not do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.disbursement import OFFICER_HELD, Figure
from paysvc.domain.errors import Conflict, DoesNotReconcile, InvalidInput, NotAllowed, Waiting
from paysvc.domain.instructions import CycleState
from paysvc.domain.officers import Officer, require
from paysvc.domain.reasons import require_reason
from paysvc.store import audit_trail, cycles, ledger, plans, resubmissions
from paysvc.store.cycles import Cycle
from paysvc.store.engine import Database
from paysvc.store.plans import PlanFigures

#: A code, so that nothing personal gets into the plan; the story belongs into the file.
_HOLD_REASON = re.compile(r"[a-z][a-z0-9_]{2,31}")


@dataclass(frozen=True, slots=True)
class PlanState:
    """Where a cycle stands after a step. Figures in lines and đồng; `needed` is per fund.

    `content_sha256` is what an approval has to name.
    """

    cycle_code: str
    state: CycleState
    content_sha256: bytes
    planned: Figure
    held: Figure
    excluded: Figure
    needed: Mapping[str, Figure]


def submit_plan(database: Database, clock: Clock, actor: Officer, *, cycle_code: str) -> PlanState:
    """DRAFT → SUBMITTED: the maker says that the plan is complete.

    Raises `NotFound`, `Conflict` (`cycle_not_draft`, `nothing_planned`, `plan_outdated`,
    `fund_short`), `DoesNotReconcile` when the rows are not what was planned, `NotAllowed`.
    """
    require(actor, "submit-plan")
    with database.write() as connection:
        cycle = _expect(connection, cycle_code, CycleState.DRAFT)
        if plans.has_outdated_rate(connection, cycle.id):
            raise Conflict(
                "plan_outdated",
                f"A rate behind cycle {cycle_code} was changed after it was planned.",
                next_step="Plan it again.",
            )
        figures = _checked_figures(connection, cycle)
        if not figures.lines["planned"].count:
            raise Conflict("nothing_planned", f"Cycle {cycle_code} pays nobody.", next_step="Settle what is held.")
        cycle = cycles.change_cycle(
            connection,
            cycle,
            state=CycleState.SUBMITTED.value,
            submitted_by=actor.officer_id,
            submitted_at=clock.now(),
        )
        return _told(connection, clock.now(), actor, "submit-plan", cycle, figures)


def approve_plan(
    database: Database, clock: Clock, actor: Officer, *, cycle_code: str, content_sha256: bytes
) -> PlanState:
    """SUBMITTED → APPROVED by an officer who neither made nor submitted it.

    `content_sha256` is the digest of what the officer looked at; the rows have to have it
    still. The money is reserved in the same transaction. Raises `Conflict`
    (`cycle_not_submitted`, `content_changed`, `fund_short`), `NotAllowed` (`own_plan`),
    `DoesNotReconcile`, `NotFound`.
    """
    require(actor, "approve-plan")
    with database.write() as connection:
        cycle = _expect(connection, cycle_code, CycleState.SUBMITTED)
        if actor.officer_id in (cycle.maker_id, cycle.submitted_by):
            raise NotAllowed(
                "own_plan",
                f"Cycle {cycle_code} was made or submitted by the officer who approves it.",
                next_step="Ask another approver.",
            )
        if content_sha256 != cycle.content_sha256:
            raise Conflict(
                "content_changed",
                f"Cycle {cycle_code} is not what was looked at.",
                next_step="Look at it again, then approve what it holds now.",
            )
        figures = _checked_figures(connection, cycle)
        approval_id = cycles.insert_approval(connection, cycle, actor.officer_id, clock.now())
        _reserve(connection, clock.now(), cycle, approval_id, figures.needed)
        cycle = cycles.change_cycle(connection, cycle, state=CycleState.APPROVED.value)
        return _told(connection, clock.now(), actor, "approve-plan", cycle, figures)


def return_plan(database: Database, clock: Clock, actor: Officer, *, cycle_code: str, reason: str) -> PlanState:
    """SUBMITTED or APPROVED → DRAFT: an approver sends it back, and says why.

    Raises `InvalidInput` without a reason, `Conflict` when it is neither or a batch was
    made of it, `NotFound`, `NotAllowed`.
    """
    require(actor, "return-plan")
    return _take_back(database, clock, actor, "return-plan", cycle_code, reason)


def withdraw_plan(database: Database, clock: Clock, actor: Officer, *, cycle_code: str, reason: str) -> PlanState:
    """SUBMITTED or APPROVED → DRAFT: a maker takes it back. Raises as `return_plan` does."""
    require(actor, "submit-plan")
    return _take_back(database, clock, actor, "withdraw-plan", cycle_code, reason)


def hold_payment(
    database: Database, clock: Clock, actor: Officer, *, cycle_code: str, end_to_end_id: str, reason: str
) -> PlanState:
    """Take one payment out of a plan that has not been released; the person stays in it, held.

    `reason` is a short code (`a-z`, digits, `_`), kept as `officer:reason`. Whoever changes
    a plan becomes its maker: the change has to be submitted, and approved by another officer.
    Raises `InvalidInput`, `Conflict`, `NotFound`, `NotAllowed`.
    """
    require(actor, "hold-payment")
    if not _HOLD_REASON.fullmatch(reason):
        raise InvalidInput("hold_reason_malformed", "A reason to hold is a code of 3 to 32 of a-z, 0-9 and _.")
    with database.write() as connection:
        cycle = cycles.get_cycle(connection, cycle_code)
        if cycle.state is not CycleState.DRAFT:
            cycle = _back_to_draft(connection, clock.now(), cycle, f"held {end_to_end_id}")
        plans.hold_line(connection, cycle.id, end_to_end_id, OFFICER_HELD + reason, clock.now())
        digest = plans.content_sha256(connection, cycle.id)
        cycle = cycles.change_cycle(connection, cycle, content_sha256=digest, maker_id=actor.officer_id)
        audit_trail.append(
            connection, clock.now(), actor, "hold-payment", f"instruction:{end_to_end_id}", {"reason": reason}
        )
        return _told(connection, clock.now(), actor, "hold-payment", cycle, plans.read_figures(connection, cycle.id))


def _take_back(database: Database, clock: Clock, actor: Officer, verb: str, cycle_code: str, reason: str) -> PlanState:
    require_reason(reason)
    with database.write() as connection:
        cycle = cycles.get_cycle(connection, cycle_code)
        cycle = _back_to_draft(connection, clock.now(), cycle, reason)
        figures = plans.read_figures(connection, cycle.id)
        return _told(connection, clock.now(), actor, verb, cycle, figures, reason)


def _back_to_draft(connection: Connection, now: datetime, cycle: Cycle, reason: str) -> Cycle:
    """Cancel what stands, free the money, and let the plan be changed."""
    if cycle.state not in (CycleState.SUBMITTED, CycleState.APPROVED) or cycles.has_batches(connection, cycle.id):
        raise Conflict(
            "cycle_not_changeable",
            f"Cycle {cycle.code} is {cycle.state}: it is a draft already, or batches were made of it.",
            next_step="What a batch holds is settled by the bank's answer.",
        )
    for stood in cycles.cancel_approvals(connection, cycle.id, now, reason):
        _release(connection, now, cycle, stood.id)
    return cycles.change_cycle(connection, cycle, state=CycleState.DRAFT.value, submitted_by=None, submitted_at=None)


def _reserve(
    connection: Connection, now: datetime, cycle: Cycle, approval_id: int, needed: Mapping[str, Figure]
) -> None:
    postings = []
    for code, figure in needed.items():
        postings.append(ledger.Posting(ledger.fund(code), -figure.amount_vnd, figure.count))
        postings.append(ledger.Posting(ledger.reserved(code), figure.amount_vnd, figure.count))
    ledger.post(connection, now, "reserve", _reservation(cycle, approval_id), postings)


def _release(connection: Connection, now: datetime, cycle: Cycle, approval_id: int) -> None:
    """Give back exactly what this approval reserved."""
    given = [
        ledger.Posting(one.account, -one.amount_vnd, one.count)
        for one in ledger.read_postings(connection, _reservation(cycle, approval_id))
    ]
    ledger.post(connection, now, "release", f"release:{cycle.code}:{approval_id}", given)


def _reservation(cycle: Cycle, approval_id: int) -> str:
    # The same content may be approved again after it was taken back: each approval reserves.
    return f"reserve:{cycle.code}:{approval_id}"


def _expect(connection: Connection, cycle_code: str, state: CycleState) -> Cycle:
    cycle = cycles.get_cycle(connection, cycle_code)
    if cycle.state is not state:
        raise Conflict(f"cycle_not_{state.lower()}", f"Cycle {cycle_code} is {cycle.state}, not {state}.")
    return cycle


def _checked_figures(connection: Connection, cycle: Cycle) -> PlanFigures:
    """The figures of the rows, which have to be the planned ones to the last byte, and funded, and to
    pay nobody whose earlier payment the bank booked after all."""
    late = resubmissions.overtaken(connection, cycle.id)
    if late:
        raise Conflict(
            "plan_outdated",
            f"{len(late)} payment(s) of cycle {cycle.code} take the place of one that is paid after all: "
            + ", ".join(sorted(late)[:5]),
            next_step="Plan it again (withdraw or return it first); they are left out then.",
        )
    figures = plans.read_figures(connection, cycle.id)
    problem = plans.contradiction(figures)
    if problem is not None:
        raise DoesNotReconcile("plan_does_not_add_up", f"Cycle {cycle.code} does not add up: {problem}.")
    if plans.content_sha256(connection, cycle.id) != cycle.content_sha256:
        raise DoesNotReconcile("content_differs", f"The rows of cycle {cycle.code} are not what was planned.")
    ledger.require_funded(connection, {code: one.amount_vnd for code, one in figures.needed.items()})
    return figures


def _told(
    connection: Connection,
    now: datetime,
    actor: Officer,
    verb: str,
    cycle: Cycle,
    figures: PlanFigures,
    reason: str = "",
) -> PlanState:
    digest = cycle.content_sha256
    if digest is None:
        raise Waiting("cycle_not_planned", f"Cycle {cycle.code} holds no plan yet.", next_step="Plan it first.")
    detail: dict[str, object] = {"state": cycle.state.value, "content_sha256": digest.hex()}
    detail |= {"planned": figures.lines["planned"].count, "planned_vnd": figures.lines["planned"].amount_vnd}
    if reason:
        detail["reason"] = reason
    audit_trail.append(connection, now, actor, verb, f"cycle:{cycle.code}", detail)
    return PlanState(
        cycle_code=cycle.code,
        state=cycle.state,
        content_sha256=digest,
        planned=figures.lines["planned"],
        held=figures.lines["held"],
        excluded=figures.lines["excluded"],
        needed=figures.needed,
    )
