"""Payments that are made again: the bank's proof, the proposals, and which payment replaces which.

Two payments are of the same dues when lines that carry one obligation stand behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, text, update

from paysvc.domain import bank_letters
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.domain.resubmission import UNPAID, Evidence, JudgedPayment, Proposal
from paysvc.store import stacked_payments
from paysvc.store.bulk import Same, in_chunks, insert_columns, next_ids
from paysvc.store.tables import (
    batch,
    discrepancy,
    inbound_file,
    instruction,
    obligation_claim,
    payment_status,
    resubmission,
    statement_line,
)

#: Claims of a line, and the other payments of the same dues: to be narrowed by `MINE.c.entitlement_id`.
MINE, OTHER = obligation_claim.alias("mine"), instruction.alias("other")
_THEIRS = obligation_claim.alias("theirs")
SAME_DUES = MINE.join(
    _THEIRS, and_(_THEIRS.c.obligation_id == MINE.c.obligation_id, _THEIRS.c.entitlement_id != MINE.c.entitlement_id)
).join(OTHER, OTHER.c.entitlement_id == _THEIRS.c.entitlement_id)

#: Discrepancies under which sums do not tell whether a payment was made.
_CONTRADICTING = (DiscrepancyKind.CURRENCY_MISMATCH.value, DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT.value)


# ------------------------------------------------------------------------------- judging


def find_unpaid(connection: Connection, cycle_id: int, reason_code: str | None) -> list[JudgedPayment]:
    """The payments of a cycle that came back or were refused and of which no re-submission stands,
    by EndToEndId; of one reason code of the bank where it is given."""
    standing = exists().where(resubmission.c.instruction_id == instruction.c.id, resubmission.c.closed_at.is_(None))
    wanted = [
        instruction.c.cycle_id == cycle_id,
        instruction.c.batch_id.is_not(None),
        instruction.c.state.in_([one.value for one in UNPAID]),
        ~standing,
    ]
    if reason_code is not None:
        wanted.append(instruction.c.reason_code == reason_code)
    return _judge(connection, and_(*wanted))


def find_payments(connection: Connection, cycle_id: int, end_to_end_ids: Sequence[str]) -> list[JudgedPayment]:
    """These payments of a cycle, whatever became of them; one that the cycle does not have is left out."""
    return [
        found
        for chunk in in_chunks(end_to_end_ids)
        for found in _judge(
            connection, and_(instruction.c.cycle_id == cycle_id, instruction.c.end_to_end_id.in_(chunk))
        )
    ]


def judge(connection: Connection, instruction_ids: Sequence[int]) -> dict[int, JudgedPayment]:
    """What is known now of these payments, by id."""
    return {
        found.instruction_id: found
        for chunk in in_chunks(instruction_ids)
        for found in _judge(connection, instruction.c.id.in_(chunk))
    }


def _judge(connection: Connection, wanted: ColumnElement[bool]) -> list[JudgedPayment]:
    one = instruction.c
    open_contradiction = exists().where(
        discrepancy.c.instruction_id == one.id,
        discrepancy.c.resolved_at.is_(None),
        discrepancy.c.kind.in_(_CONTRADICTING),
    )
    paid_otherwise = exists().select_from(SAME_DUES).where(MINE.c.entitlement_id == one.entitlement_id, OTHER.c.is_live)
    rows = connection.execute(
        select(
            one.id, one.end_to_end_id, one.amount_vnd, one.state, one.debited_vnd, one.credited_vnd, one.reason_code,
            open_contradiction.label("is_contradicted"), paid_otherwise.label("is_paid_otherwise"),
        ).where(wanted).order_by(one.end_to_end_id)
    ).all()  # fmt: skip
    evidence = _read_evidence(connection, {row.id: InstructionState(row.state) for row in rows})
    return [
        JudgedPayment(
            instruction_id=row.id,
            end_to_end_id=row.end_to_end_id,
            amount_vnd=row.amount_vnd,
            state=InstructionState(row.state),
            debited_vnd=row.debited_vnd,
            credited_vnd=row.credited_vnd,
            reason_code=row.reason_code,
            is_contradicted=bool(row.is_contradicted),
            is_paid_otherwise=bool(row.is_paid_otherwise),
            evidence=evidence.get(row.id),
        )
        for row in rows
    ]


def _read_evidence(connection: Connection, states: Mapping[int, InstructionState]) -> dict[int, Evidence]:
    """For each payment the first word of the bank that proves its state."""
    found: dict[int, Evidence] = {}
    for chunk in in_chunks([one for one, state in states.items() if state is InstructionState.REJECTED]):
        refused = select(instruction.c.id, batch.c.id).join(batch, batch.c.id == instruction.c.batch_id)
        for instruction_id, batch_id in connection.execute(
            refused.where(instruction.c.id.in_(chunk), batch.c.state == BatchState.REFUSED.value)
        ):
            found[instruction_id] = Evidence(refused_batch_id=batch_id)
        said = payment_status.c
        # A letter above all: where the bank had contradicted itself, only that proves anything.
        is_letter = case((inbound_file.c.kind == bank_letters.KIND, 1), else_=0)
        for row in connection.execute(
            select(said.instruction_id, said.inbound_file_id, said.position)
            .join(inbound_file, inbound_file.c.id == said.inbound_file_id)
            .where(said.instruction_id.in_(chunk), said.status.in_(sorted(REFUSALS)))
            .order_by(is_letter, said.inbound_file_id.desc(), said.position.desc())
        ):
            found[row.instruction_id] = Evidence(row.inbound_file_id, row.position)
    line = statement_line.c
    for chunk in in_chunks([one for one, state in states.items() if state is InstructionState.RETURNED]):
        for row in connection.execute(
            select(line.instruction_id, line.statement_id, line.position)
            .where(line.instruction_id.in_(chunk), ~line.is_debit, line.status == "BOOK")
            .order_by(line.statement_id, line.position)
        ):
            # The last one: what came back after a debit that came late proves more than what came before it.
            found[row.instruction_id] = Evidence(statement_id=row.statement_id, line_position=row.position)
    return found


# ----------------------------------------------------------------------------- proposals


def insert_proposals(connection: Connection, judged: Sequence[JudgedPayment], actor_id: str, at: datetime) -> None:
    """Write down that these payments may be made again, for another officer to approve. Each has its evidence."""
    if not judged:
        return
    evidence = zip(*(astuple(one.evidence) for one in judged if one.evidence is not None), strict=True)
    names = ("status_file_id", "status_position", "statement_id", "line_position", "refused_batch_id")
    insert_columns(
        connection,
        resubmission,
        {
            "id": next_ids(connection, "resubmission", len(judged)),
            "instruction_id": [one.instruction_id for one in judged],
            "state": [one.state.value for one in judged],
            "reason_code": [one.reason_code for one in judged],
            "proposed_by": Same(actor_id),
            "proposed_at": Same(at),
            **dict(zip(names, map(list, evidence), strict=True)),
        },
    )


def list_open(connection: Connection, cycle_id: int) -> list[Proposal]:
    """The proposals about payments of a cycle that wait for an approver, by EndToEndId."""
    columns = resubmission.c
    rows = connection.execute(
        select(resubmission, instruction.c.end_to_end_id, instruction.c.amount_vnd)
        .join(instruction, instruction.c.id == columns.instruction_id)
        .where(instruction.c.cycle_id == cycle_id, columns.approved_at.is_(None), columns.closed_at.is_(None))
        .order_by(instruction.c.end_to_end_id)
    )
    return [
        Proposal(
            id=row.id,
            instruction_id=row.instruction_id,
            end_to_end_id=row.end_to_end_id,
            amount_vnd=row.amount_vnd,
            state=InstructionState(row.state),
            reason_code=row.reason_code,
            evidence=Evidence(
                row.status_file_id, row.status_position, row.statement_id, row.line_position, row.refused_batch_id
            ),
            proposed_by=row.proposed_by,
        )
        for row in rows
    ]


def approved_among(connection: Connection, instruction_ids: Sequence[int]) -> frozenset[int]:
    """Those of the payments whose re-submission was approved."""
    columns = resubmission.c
    return frozenset(
        found
        for chunk in in_chunks(instruction_ids)
        for found in connection.execute(
            select(columns.instruction_id).where(
                columns.instruction_id.in_(chunk), columns.approved_at.is_not(None), columns.closed_at.is_(None)
            )
        ).scalars()
    )


def approve(connection: Connection, proposals: Sequence[Proposal], actor_id: str, at: datetime) -> None:
    """Approve these proposals and free what their payments had claimed, for the next plan."""
    for chunk in in_chunks([one.id for one in proposals]):
        connection.execute(
            update(resubmission).where(resubmission.c.id.in_(chunk)).values(approved_by=actor_id, approved_at=at)
        )
    for chunk in in_chunks([one.instruction_id for one in proposals]):
        lines = select(instruction.c.entitlement_id).where(instruction.c.id.in_(chunk))
        connection.execute(
            update(obligation_claim)
            .where(obligation_claim.c.entitlement_id.in_(lines), obligation_claim.c.released_at.is_(None))
            .values(released_at=at)
        )


def close(connection: Connection, proposals: Iterable[Proposal], actor_id: str, at: datetime, reason: str) -> None:
    """These proposals will not be approved, and why."""
    for chunk in in_chunks([one.id for one in proposals]):
        connection.execute(
            update(resubmission)
            .where(resubmission.c.id.in_(chunk))
            .values(closed_by=actor_id, closed_at=at, close_reason=reason)
        )


# ------------------------------------------------------------------ which replaces which


def link_replacements(connection: Connection, cycle_id: int) -> None:
    """Write down for the payments of a draft which earlier ones' place they take: for each of the
    dues the last payment that carried it."""
    connection.execute(
        text(
            "INSERT INTO replacement (instruction_id, replaced_id) SELECT DISTINCT i.id, o.id"
            " FROM instruction i JOIN obligation_claim mine ON mine.entitlement_id = i.entitlement_id"
            " JOIN obligation_claim theirs ON theirs.obligation_id = mine.obligation_id"
            " AND theirs.released_at IS NOT NULL"
            " JOIN instruction o ON o.entitlement_id = theirs.entitlement_id AND o.id <> i.id"
            " WHERE i.cycle_id = :cycle_id AND i.generation > 0 AND o.generation ="
            " (SELECT MAX(e.generation) FROM obligation_claim c JOIN instruction e"
            " ON e.entitlement_id = c.entitlement_id AND e.id <> i.id WHERE c.obligation_id = mine.obligation_id)"
        ),
        {"cycle_id": cycle_id},
    )


def overtaken(
    connection: Connection,
    cycle_id: int,
    state: InstructionState = InstructionState.PLANNED,
    batch_id: int | None = None,
) -> dict[str, str]:
    """Payments of a plan in this state (PLANNED: in no batch; BATCHED: in one that has not left) that must
    not leave, because another payment of the same dues is live (the bank booked it late), or one of a
    programme that excludes its own in the same month: EndToEndId -> that of the other one. With
    `batch_id` those of that batch are among them, and not every payment of the plan is looked at.
    """
    one = instruction.c
    rows = connection.execute(
        select(instruction.c.end_to_end_id, func.min(OTHER.c.end_to_end_id))
        .join_from(SAME_DUES, instruction, instruction.c.entitlement_id == MINE.c.entitlement_id)
        .where(
            one.cycle_id == cycle_id if batch_id is None else one.batch_id == batch_id,
            one.generation > 0,
            # As of every earlier payment of dues that are carried anew: few, however long the history.
            _THEIRS.c.released_at.is_not(None),
            instruction.c.state == state.value,
            OTHER.c.is_live,
        )
        .group_by(instruction.c.end_to_end_id)
    )
    return stacked_payments.overtaken(connection, cycle_id, state) | {row[0]: row[1] for row in rows}
