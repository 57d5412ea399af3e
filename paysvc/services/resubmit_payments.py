"""Payments that the bank did not make are made again: proposed on its evidence, approved by another officer.

Nothing is paid here. An approved re-submission frees what the payment had claimed, so that the next
plan of the programme carries it, under a new generation and linked to the payment whose place it
takes. All is judged at the proposal and again at the approval; the database judges it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, NotAllowed, NotFound
from paysvc.domain.officers import Officer, require
from paysvc.domain.reasons import require_reason
from paysvc.domain.resubmission import WORDS, JudgedPayment, Objection, Proposal
from paysvc.domain.resubmission import content_sha256 as digest_of
from paysvc.store import audit_trail, batches, cycles, resubmissions
from paysvc.store.engine import Database


@dataclass(frozen=True, slots=True)
class Proposals:
    """The proposals about a cycle's payments that wait for an approver, and the digest that an
    approval of them has to name. `added` of them are new."""

    cycle_code: str
    proposals: tuple[Proposal, ...]
    content_sha256: bytes
    added: int = 0

    @property
    def figure(self) -> Figure:
        return _figure(self.proposals)


@dataclass(frozen=True, slots=True)
class Closed:
    """A proposal that was not approved; `code` and `reason` say why."""

    end_to_end_id: str
    amount_vnd: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer's decision did: payments whose dues may be planned again, and proposals closed."""

    cycle_code: str
    approved: tuple[Proposal, ...]
    closed: tuple[Closed, ...]

    @property
    def figure(self) -> Figure:
        """Of what was approved."""
        return _figure(self.approved)


def list_proposals(
    database: Database, actor: Officer, *, cycle_code: str, end_to_end_ids: Sequence[str] = ()
) -> Proposals:
    """What waits for an approver: all of the cycle, or these payments. Raises `NotFound`, `NotAllowed`."""
    require(actor, "read")
    with database.read() as connection:
        cycle = cycles.get_cycle(connection, cycle_code)
        return _proposals(connection, cycle.id, cycle_code, end_to_end_ids)


def propose_resubmission(
    database: Database,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    end_to_end_ids: Sequence[str] = (),
    reason_code: str | None = None,
) -> Proposals:
    """Propose to make payments of a cycle again: the named ones, or all that were refused or came
    back and of which none stands (only those of the bank's `reason_code` where it is given).

    Proposing again what stands changes nothing. Raises `Conflict` (`payment_not_resubmittable` for a
    named one that may not be paid again, `nothing_unpaid`), `NotFound`, `NotAllowed`.
    """
    require(actor, "propose-resubmission")
    with database.write() as connection:
        batches.queue_for_money(connection)
        cycle = cycles.get_cycle(connection, cycle_code)
        if end_to_end_ids:
            new = _named(connection, cycle.id, cycle_code, sorted(set(end_to_end_ids)))
        else:
            found = resubmissions.find_unpaid(connection, cycle.id, reason_code)
            new = [one for one in found if one.objection() is None]
        if not new and not end_to_end_ids:
            raise Conflict("nothing_unpaid", f"No payment of cycle {cycle_code} waits for a decision to pay it again.")
        resubmissions.insert_proposals(connection, new, actor.officer_id, clock.now())
        waiting = _proposals(connection, cycle.id, cycle_code, end_to_end_ids)
        if new:
            _note(connection, clock.now(), actor, "propose-resubmission", cycle_code, new, waiting.content_sha256)
    return Proposals(cycle_code, waiting.proposals, waiting.content_sha256, len(new))


def approve_resubmission(
    database: Database,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    content_sha256: bytes,
    end_to_end_ids: Sequence[str] = (),
) -> Decision:
    """Approve what waits of a cycle, or these payments of it, as the officer saw it.

    Each is judged again: what the bank has said otherwise since is closed and not approved. The
    dues of the approved ones are free for the next plan. Raises `Conflict` (`nothing_proposed`,
    `content_changed`), `NotAllowed` (`own_proposal`), `NotFound`.
    """
    require(actor, "approve-resubmission")
    with database.write() as connection:
        batches.queue_for_money(connection)
        cycle = cycles.get_cycle(connection, cycle_code)
        waiting = _proposals(connection, cycle.id, cycle_code, end_to_end_ids)
        _require_any(waiting)
        if any(one.proposed_by == actor.officer_id for one in waiting.proposals):
            raise NotAllowed(
                "own_proposal",
                f"A re-submission of cycle {cycle_code} was proposed by the officer who approves it.",
                next_step="Ask another approver.",
            )
        if waiting.content_sha256 != content_sha256:
            raise Conflict(
                "content_changed",
                f"What is proposed of cycle {cycle_code} is not what was looked at.",
                next_step="Look at it again, then approve what is proposed now.",
            )
        now = clock.now()
        judged = resubmissions.judge(connection, [one.instruction_id for one in waiting.proposals])
        objections = {one.id: one.objection(judged[one.instruction_id]) for one in waiting.proposals}
        approved = tuple(one for one in waiting.proposals if objections[one.id] is None)
        resubmissions.approve(connection, approved, actor.officer_id, now)
        if approved:
            _note(connection, now, actor, "approve-resubmission", cycle_code, approved, content_sha256)
        closed = []
        for objection in Objection:
            overtaken = [one for one in waiting.proposals if objections[one.id] is objection]
            closed += _close(connection, now, actor, cycle_code, overtaken, objection.value, WORDS[objection])
    return Decision(cycle_code, approved, tuple(closed))


def decline_resubmission(
    database: Database,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    reason: str,
    end_to_end_ids: Sequence[str] = (),
) -> Decision:
    """Close what waits of a cycle, or these payments of it: an approver declines it, or its maker takes it back.

    Raises `InvalidInput` without a reason, `Conflict` (`nothing_proposed`), `NotFound`, `NotAllowed`.
    """
    require(actor, "decline-resubmission")
    require_reason(reason)
    with database.write() as connection:
        batches.queue_for_money(connection)
        cycle = cycles.get_cycle(connection, cycle_code)
        waiting = _proposals(connection, cycle.id, cycle_code, end_to_end_ids)
        _require_any(waiting)
        closed = _close(connection, clock.now(), actor, cycle_code, waiting.proposals, "declined", reason)
    return Decision(cycle_code, (), tuple(closed))


def _named(connection: Connection, cycle_id: int, cycle_code: str, names: Sequence[str]) -> list[JudgedPayment]:
    """The named payments that are not proposed yet; each must be one that may be paid again."""
    found = {one.end_to_end_id: one for one in resubmissions.find_payments(connection, cycle_id, names)}
    standing = {one.end_to_end_id for one in resubmissions.list_open(connection, cycle_id)}
    decided = resubmissions.approved_among(connection, [one.instruction_id for one in found.values()])
    for name in names:
        if name not in found:
            raise NotFound("payment_unknown", f"Cycle {cycle_code} has no payment {name}.")
        objection = found[name].objection()
        if found[name].instruction_id in decided or objection is not None:
            why = "it was approved already" if objection is None else WORDS[objection]
            raise Conflict("payment_not_resubmittable", f"{name} is not to be paid again: {why}.")
    return [one for name, one in found.items() if name not in standing]


def _proposals(connection: Connection, cycle_id: int, cycle_code: str, names: Sequence[str]) -> Proposals:
    waiting = tuple(
        one for one in resubmissions.list_open(connection, cycle_id) if not names or one.end_to_end_id in set(names)
    )
    return Proposals(cycle_code, waiting, digest_of(waiting))


def _require_any(waiting: Proposals) -> None:
    if not waiting.proposals:
        raise Conflict("nothing_proposed", f"Nothing of cycle {waiting.cycle_code} is proposed to be paid again.")


def _close(
    connection: Connection,
    now: datetime,
    actor: Officer,
    cycle_code: str,
    proposals: Sequence[Proposal],
    code: str,
    reason: str,
) -> list[Closed]:
    if proposals:
        resubmissions.close(connection, proposals, actor.officer_id, now, reason)
        digest = digest_of(proposals)
        _note(
            connection,
            now,
            actor,
            "decline-resubmission",
            cycle_code,
            proposals,
            digest,
            {"code": code, "reason": reason},
        )
    return [Closed(one.end_to_end_id, one.amount_vnd, code, reason) for one in proposals]


def _note(
    connection: Connection,
    now: datetime,
    actor: Officer,
    verb: str,
    cycle_code: str,
    payments: Sequence[JudgedPayment | Proposal],
    digest: bytes,
    detail: Mapping[str, object] | None = None,
) -> None:
    """One event for all: which they are, and on which evidence, is in their rows, which never change."""
    figure = _figure(payments)
    figures = {"count": figure.count, "sum_vnd": str(figure.amount_vnd), "content_sha256": digest.hex()}
    audit_trail.append(connection, now, actor, verb, f"cycle:{cycle_code}", {**figures, **(detail or {})})


def _figure(payments: Sequence[JudgedPayment | Proposal]) -> Figure:
    return Figure(len(payments), sum(one.amount_vnd for one in payments))
