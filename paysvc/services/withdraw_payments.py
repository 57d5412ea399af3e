"""Payments of which nothing was ever written are withdrawn: what no file can say, or nobody is to be paid any more.

By an approver who had no hand in the plan. The payment ends CANCELLED, its money is back in the fund, and the
next plan of its programme carries its dues, unless they are paid otherwise by then. All is judged in the
transaction in which nobody else moves payments; the database judges it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.instructions import BatchState, CycleState
from paysvc.domain.officers import Officer, require
from paysvc.domain.reasons import require_reason
from paysvc.domain.withdrawing import WORDS, WaitingPayment, content_sha256
from paysvc.store import audit_trail, batches, cycles, withdrawals
from paysvc.store.cycles import Cycle
from paysvc.store.engine import Database
from paysvc.store.tables import instant_text

VERB = "withdraw-payments"


@dataclass(frozen=True, slots=True)
class WithdrawnPayment:
    """One payment that will not leave. Amount in đồng; `is_new` is False for one that was withdrawn before."""

    end_to_end_id: str
    amount_vnd: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """All payments that were named, and the MsgIds of batches that were dissolved for it."""

    cycle_code: str
    payments: tuple[WithdrawnPayment, ...]
    dissolved: tuple[str, ...]

    @property
    def figure(self) -> Figure:
        """Of what was withdrawn by this call."""
        amounts = [one.amount_vnd for one in self.payments if one.is_new]
        return Figure(len(amounts), sum(amounts))


def withdraw_payments(
    database: Database,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    reason: str,
    end_to_end_ids: Sequence[str] = (),
    bank_code: str | None = None,
) -> Withdrawn:
    """Withdraw these payments of a released cycle, or with `bank_code` all through that bank of which nothing
    was written; all of them or none.

    Withdrawing again what is withdrawn changes nothing. Raises `InvalidInput` (`payment_missing`: neither
    payments nor a bank; a reason that is none), `Conflict` (`payment_not_withdrawable` for one that was
    written or is in a lost file, `cycle_not_released`, `nothing_waits`), `NotFound`, `NotAllowed` (`own_plan`).
    """
    require(actor, VERB)
    require_reason(reason)
    if bool(end_to_end_ids) == bool(bank_code):
        raise InvalidInput("payment_missing", "Name the payments to withdraw, or a bank whose payments wait.")
    with database.write() as connection:
        batches.queue_for_money(connection)
        cycle = cycles.get_cycle(connection, cycle_code)
        if actor.officer_id in (cycle.maker_id, cycle.submitted_by):
            raise NotAllowed(
                "own_plan",
                f"Cycle {cycle_code} was made or submitted by the officer who withdraws payments of it.",
                next_step="Ask another approver.",
            )
        found = _of_bank(connection, cycle, bank_code) if bank_code else _named(connection, cycle, end_to_end_ids)
        new = [one for one in found if not one.is_withdrawn]
        dissolved = _withdraw(connection, clock, actor, cycle, new, reason) if new else []
    shown = tuple(WithdrawnPayment(one.end_to_end_id, one.amount_vnd, not one.is_withdrawn) for one in found)
    return Withdrawn(cycle_code, shown, tuple(dissolved))


def _named(connection: Connection, cycle: Cycle, end_to_end_ids: Sequence[str]) -> list[WaitingPayment]:
    names = sorted(set(end_to_end_ids))
    found = withdrawals.find_payments(connection, cycle.id, names)
    unknown = sorted(set(names) - {one.end_to_end_id for one in found})
    if unknown:
        raise NotFound("payment_unknown", f"Cycle {cycle.code} has no payment {unknown[0]}.")
    for one in found:
        objection = None if one.is_withdrawn else one.objection()
        if objection is not None:
            raise Conflict(
                "payment_not_withdrawable",
                f"{one.end_to_end_id} is not withdrawn: {WORDS[objection]}. Nothing was changed.",
                next_step="Withdraw the others without it.",
            )
    return found


def _of_bank(connection: Connection, cycle: Cycle, bank_code: str) -> list[WaitingPayment]:
    found = [one for one in withdrawals.find_of_bank(connection, cycle.id, bank_code) if one.objection() is None]
    if not found:
        raise Conflict(
            "nothing_waits", f"No payment of cycle {cycle.code} through bank '{bank_code}' waits to be written."
        )
    return found


def _withdraw(
    connection: Connection, clock: Clock, actor: Officer, cycle: Cycle, payments: Sequence[WaitingPayment], reason: str
) -> list[str]:
    """Returns the MsgIds of the batches that were dissolved."""
    if cycle.state is not CycleState.RELEASED:
        raise Conflict(
            "cycle_not_released",
            f"Cycle {cycle.code} is {cycle.state}, not {CycleState.RELEASED}.",
            next_step="Before its first batches a plan is changed itself: paysvc withdraw-plan or hold-payment.",
        )
    now = clock.now()
    dissolved = withdrawals.dissolve_batches(connection, payments, now, VERB)
    withdrawals.withdraw(connection, cycle, payments, reason, actor.officer_id, now)
    for one in dissolved:
        detail = {
            "bank": one.bank_code,
            "state": BatchState.DISSOLVED.value,
            "dissolved_at": instant_text(now),
            "because": "payments of it withdrawn",
        }
        audit_trail.append(connection, now, actor, VERB, f"batch:{one.message_id}", detail)
    listed = [(one.end_to_end_id, one.amount_vnd) for one in payments]
    figures = {
        "count": len(listed),
        "sum_vnd": str(sum(amount for _, amount in listed)),
        "payments_sha256": content_sha256(listed).hex(),
        "reason": reason,
    }
    audit_trail.append(connection, now, actor, VERB, f"cycle:{cycle.code}", figures)
    return [one.message_id for one in dissolved]
