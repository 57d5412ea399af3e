"""What a plan is made from, in whole columns: who is enrolled, who they are, what is owed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, func, null, or_, select, union_all

from paysvc.domain.disbursement import OFFICER_HELD
from paysvc.domain.instructions import InstructionState
from paysvc.store.bulk import read_columns
from paysvc.store.tables import (
    account_match,
    bank_account,
    beneficiary,
    beneficiary_version,
    enrolment,
    entitlement,
    instruction,
    obligation,
    obligation_claim,
    programme,
    resubmission,
    unplanned_obligation,
)

Columns = dict[str, list[Any]]


def read_enrolments(connection: Connection, programme_codes: Sequence[str], last_period: str) -> Columns:
    """Open enrolments of these programmes that begin by `last_period`, in no order."""
    columns = enrolment.c
    return read_columns(
        connection,
        select(
            columns.beneficiary_id,
            columns.programme_code,
            columns.category,
            columns.from_period,
            columns.to_period,
            columns.channel,
        ).where(
            columns.programme_code.in_(programme_codes), columns.valid_to.is_(None), columns.from_period <= last_period
        ),
    )


def read_persons(connection: Connection, programme_codes: Sequence[str]) -> Columns:
    """Everybody who is or was enrolled in these programmes, by id, as known today.

    `outcome` is None for whom matching has not looked at, `account_id` None unless the
    outcome is about one account.
    """
    enrolled = select(enrolment.c.beneficiary_id).where(enrolment.c.programme_code.in_(programme_codes))
    version, match, account = beneficiary_version.c, account_match.c, bank_account.c
    return read_columns(
        connection,
        select(
            beneficiary.c.id,
            # The number under which the person came in: references stay what they were.
            func.coalesce(beneficiary.c.first_key, beneficiary.c.citizen_key).label("citizen_key"),
            version.full_name,
            version.unit_code,
            match.outcome,
            match.account_id,
            account.bank_bin,
            account.account_key,
            account.holder_name,
        )
        .select_from(beneficiary)
        .join(beneficiary_version, and_(version.beneficiary_id == beneficiary.c.id, version.valid_to.is_(None)))
        .outerjoin(account_match, and_(match.beneficiary_id == beneficiary.c.id, match.valid_to.is_(None)))
        .outerjoin(bank_account, account.id == match.account_id)
        .where(beneficiary.c.id.in_(enrolled))
        .order_by(beneficiary.c.id),
    )


def read_known_dues(connection: Connection, programme_codes: Sequence[str], periods: Sequence[str]) -> Columns:
    """Obligations of these periods that exist already, whoever carries them."""
    columns = obligation.c
    return read_columns(
        connection,
        select(columns.programme_code, columns.period, columns.beneficiary_id).where(
            columns.programme_code.in_(programme_codes), columns.period.in_(periods)
        ),
    )


def read_owed(connection: Connection, programme_codes: Sequence[str], last_period: str) -> Columns:
    """Obligations up to `last_period` that no plan carries now: held, excluded, left by a draft that was
    drawn anew, or to be paid again.

    What a payment that left carried is there only while its re-submission is approved and neither
    that payment nor another of the same dues is live: the bank may have booked it late. So are the dues
    of one that was withdrawn, unless the payment whose place it took, or another of its dues, is live.

    `generation` is one more than that of the last payment that carried the obligation, and
    `follows` that payment's line; both are 0 when none did. `was_excluded` tells whether the
    last plan left it out; `channel` is what the person asked for, as the open enrolment has
    it, else None.
    """
    claim = obligation_claim.c
    standing = exists().where(claim.obligation_id == obligation.c.id, claim.released_at.is_(None))
    # The subquery goes over the small index of released claims, not over all history.
    released = select(claim.obligation_id, func.max(claim.entitlement_id).label("entitlement_id")).where(
        claim.released_at.is_not(None)
    )
    unplanned = select(unplanned_obligation.c.obligation_id, null().label("entitlement_id"))
    last = union_all(released.group_by(claim.obligation_id), unplanned).subquery()
    paid_before = (
        # A later line has a higher id, and a payment made again a higher generation.
        select(
            claim.obligation_id,
            func.max(instruction.c.generation).label("generation"),
            func.max(claim.entitlement_id).label("entitlement_id"),
        )
        .join(instruction, instruction.c.entitlement_id == claim.entitlement_id)
        .where(claim.released_at.is_not(None))
        .group_by(claim.obligation_id)
        .subquery()
    )
    approved = exists().where(
        resubmission.c.instruction_id == instruction.c.id,
        resubmission.c.approved_at.is_not(None),
        # As the index of what stands asks; what is approved is never closed.
        resubmission.c.closed_at.is_(None),
    )
    paid_or_undecided = (
        select(claim.obligation_id)
        .join(instruction, instruction.c.entitlement_id == claim.entitlement_id)
        .where(
            claim.released_at.is_not(None),
            or_(instruction.c.is_live, and_(instruction.c.state != InstructionState.CANCELLED.value, ~approved)),
        )
    )
    return read_columns(
        connection,
        select(
            obligation.c.id,
            obligation.c.programme_code,
            obligation.c.period,
            obligation.c.beneficiary_id,
            obligation.c.amount_vnd,
            obligation.c.rate_id,
            # Carried by a draft that was drawn anew without it: it is as if held.
            func.coalesce(entitlement.c.disposition, "held").label("disposition"),
            func.coalesce(paid_before.c.generation + 1, 0).label("generation"),
            func.coalesce(paid_before.c.entitlement_id, 0).label("follows"),
            enrolment.c.channel,
        )
        .select_from(last)
        .join(obligation, obligation.c.id == last.c.obligation_id)
        .outerjoin(entitlement, entitlement.c.id == last.c.entitlement_id)
        .outerjoin(paid_before, paid_before.c.obligation_id == obligation.c.id)
        .outerjoin(
            enrolment,
            and_(
                enrolment.c.beneficiary_id == obligation.c.beneficiary_id,
                enrolment.c.programme_code == obligation.c.programme_code,
                enrolment.c.valid_to.is_(None),
            ),
        )
        .where(
            obligation.c.programme_code.in_(programme_codes),
            obligation.c.period <= last_period,
            ~standing,
            obligation.c.id.not_in(paid_or_undecided),
        )
        .order_by(obligation.c.id),
    )


def read_promised(connection: Connection, stacking_group: str, periods: Sequence[str]) -> Columns:
    """What plans carry or banks paid already in this group, the highest per person and period."""
    claim, person = obligation_claim.c, func.coalesce(beneficiary.c.same_as, beneficiary.c.id)
    # Released to be paid again, and then booked after all.
    paid_late = (
        select(instruction.c.entitlement_id)
        .join(resubmission, resubmission.c.instruction_id == instruction.c.id)
        .where(resubmission.c.approved_at.is_not(None), instruction.c.is_live)
    )
    return read_columns(
        connection,
        select(
            person.label("beneficiary_id"), obligation.c.period, func.max(obligation.c.amount_vnd).label("amount_vnd")
        )
        .join(obligation_claim, claim.obligation_id == obligation.c.id)
        .join(beneficiary, beneficiary.c.id == obligation.c.beneficiary_id)
        .join(programme, programme.c.code == obligation.c.programme_code)
        .where(
            programme.c.stacking_group == stacking_group,
            obligation.c.period.in_(periods),
            or_(claim.released_at.is_(None), claim.entitlement_id.in_(paid_late)),
        )
        .group_by(person, obligation.c.period),
    )


def read_paid_elsewhere(connection: Connection, programme_codes: Sequence[str]) -> Columns:
    """What another record of a person carries: (the beneficiary that counts, programme_code, period)."""
    claim, due, record = obligation_claim.c, obligation.c, beneficiary.c
    return read_columns(
        connection,
        select(record.same_as.label("beneficiary_id"), due.programme_code, due.period)
        .join_from(beneficiary, obligation, due.beneficiary_id == record.id)
        .join(obligation_claim, claim.obligation_id == due.id)
        .join(instruction, instruction.c.entitlement_id == claim.entitlement_id)
        .where(record.same_as.is_not(None), due.programme_code.in_(programme_codes), instruction.c.is_live),
    )


def read_officer_holds(connection: Connection, cycle_id: int) -> dict[tuple[int, str], str]:
    """(beneficiary, programme) -> reason, of what officers held in this cycle."""
    columns = entitlement.c
    rows = connection.execute(
        select(columns.beneficiary_id, columns.programme_code, columns.reason).where(
            columns.cycle_id == cycle_id, columns.reason.startswith(OFFICER_HELD, autoescape=True)
        )
    )
    return {(row.beneficiary_id, row.programme_code): row.reason for row in rows}
