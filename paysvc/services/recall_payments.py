"""recall-payments: ask banks to take back what is paid twice after a re-submission (crash point C29).

Recalled is the later of the two payments: it is the one that a bank may still be able to stop. The
request is kept and noted before it leaves, every attempt before it is made, and what the bank may
have is asked for and never sent anew blindly, as with a batch. Where a bank takes no such request
by file, a person has to ask it, and is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from paysvc.bank_interface import (
    BankFile,
    BankRefused,
    BankUnreachable,
    DuplicateKey,
    RecallsPayments,
    SendState,
)
from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.core.messages import ControlTotals, RecallRequest
from paysvc.domain.errors import Conflict, PaysvcError, Waiting
from paysvc.domain.officers import Officer, require
from paysvc.domain.recalling import DUPLICATE, RecallState, case_id
from paysvc.domain.sending_answers import ALREADY_THERE, needs_a_person, no_answer, reason_of_refusal, unreachable
from paysvc.failpoints import reach
from paysvc.store import audit_trail, batches, recalls
from paysvc.store.attempts import AttemptOutcome
from paysvc.store.engine import Database
from paysvc.store.recalls import ATTEMPTS, DuePayment, Recall
from paysvc.store.vault import Vault

VERB = "recall-payments"


@dataclass(frozen=True, slots=True)
class Recalls:
    """Where every request stands that was unfinished; `waiting` says what has to come first."""

    recalls: tuple[Recall, ...]
    waiting: tuple[PaysvcError, ...]


@dataclass(slots=True)
class _Desk:
    database: Database
    vault: Vault
    banks: BankRegistry
    clock: Clock
    actor: Officer
    waiting: list[PaysvcError]

    def note(self, connection: Connection, one: Recall, detail: dict[str, object]) -> None:
        said = {"bank": one.bank_code, "state": one.state.value, **detail}
        audit_trail.append(connection, self.clock.now(), self.actor, VERB, f"recall:{one.case_id}", said)


def recall_payments(database: Database, vault: Vault, banks: BankRegistry, clock: Clock, actor: Officer) -> Recalls:
    """Request the recall of every payment that is paid twice, and bring each request as far as it will go.

    Safe to repeat. What goes wrong with a single one raises nothing and is named in the result.
    Raises `NotAllowed`.
    """
    require(actor, VERB)
    database.require_writable()
    desk = _Desk(database, vault, banks, clock, actor, [])
    with database.read() as connection:
        due = recalls.find_due(connection)
    for payment in due:
        _try(desk, partial(_request, desk, payment))
    with database.read() as connection:
        unfinished = recalls.list_unfinished(connection)
    for one in unfinished:
        _try(desk, partial(_bring_on, desk, one))
    with database.read() as connection:
        found = tuple(recalls.get_recall(connection, one.id) for one in unfinished)
    return Recalls(found, tuple(desk.waiting))


def _try(desk: _Desk, step: Callable[[], None]) -> None:
    """One request's trouble is no reason to keep the others waiting."""
    try:
        step()
    except PaysvcError as failure:
        desk.waiting.append(failure)


def _request(desk: _Desk, payment: DuePayment) -> None:
    """Write the request down, with its bytes where the bank takes a file."""
    now, case = desk.clock.now(), case_id(payment.end_to_end_id)
    file = _written(desk, payment, case, now)
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        if payment not in recalls.find_due(connection):
            return  # another run has it, or one of the two has come back
        state = RecallState.BY_HAND if file is None else RecallState.SEALED
        one = recalls.insert_recall(connection, payment, case, state, now, file)
        desk.note(connection, one, {"amount_vnd": str(payment.amount_vnd)})


def _written(desk: _Desk, payment: DuePayment, case: str, now: datetime) -> dict[str, Any] | None:
    """The request in the bank's dialect, its bytes kept; None where the dialect cannot say it."""
    bank = desk.banks.get(payment.bank_code)
    if not isinstance(bank.adapter, RecallsPayments):
        return None
    request = RecallRequest(
        case_id=case,
        created_at=now,
        debtor=bank.settings.debtor,
        message_id=payment.message_id,
        message_created_at=payment.message_created_at,
        end_to_end_id=payment.end_to_end_id,
        amount_vnd=payment.amount_vnd,
        value_date=payment.value_date,
        reason=DUPLICATE,
    )
    try:
        made = bank.adapter.encode_recall(request)
    except ValueError:
        return None
    digest = desk.vault.put(made.content)
    return {"name": made.name, "sha256": digest, "size": len(made.content), "written_by": bank.written_by}


def _bring_on(desk: _Desk, one: Recall) -> None:
    if one.state is RecallState.SENDING:
        one = _left_in_the_middle(desk, one)
    if one.state is RecallState.UNKNOWN:
        one = _ask(desk, one)
    if one.state in (RecallState.SEALED, RecallState.BY_HAND) and not one.is_wanted:
        _withdraw(desk, one)
    elif one.state is RecallState.BY_HAND:
        desk.waiting.append(
            Waiting(
                "recall_needs_a_person",
                f"Bank {one.bank_code} takes no recall by file: {one.end_to_end_id} is paid twice.",
                next_step="Ask the bank by telephone or letter to take it back; its statement shows when it has.",
            )
        )
    elif one.state is RecallState.SEALED:
        _send(desk, one)


def _withdraw(desk: _Desk, one: Recall) -> None:
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        now = recalls.get_recall(connection, one.id)
        if now.version == one.version and not now.is_wanted:
            desk.note(connection, recalls.move_recall(connection, now, RecallState.WITHDRAWN), {})


def _left_in_the_middle(desk: _Desk, one: Recall) -> Recall:
    """A run ended while it was sending: the bank may have the request."""
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        one = recalls.get_recall(connection, one.id)
        if one.state is not RecallState.SENDING:
            return one
        ATTEMPTS.close_open(connection, one.id, desk.clock.now(), "the run ended before the bank answered")
        one = recalls.move_recall(connection, one, RecallState.UNKNOWN)
        desk.note(connection, one, {"because": "left in the middle"})
    return one


def _ask(desk: _Desk, one: Recall) -> Recall:
    """Ask the bank about a request it may have; only its word leads out of UNKNOWN (safety rule 3)."""
    bank = desk.banks.get(one.bank_code)
    able = bank.adapter.capabilities
    if not able.can_enquire:
        desk.waiting.append(needs_a_person(one.bank_code, one.case_id, "cannot be asked by a program"))
        return one
    try:
        answer = bank.adapter.enquire(one.name or "", one.case_id)
    except Exception as failure:  # noqa: BLE001  # whatever goes wrong while asking, we know no more than before
        desk.waiting.append(no_answer(one.bank_code, one.case_id, type(failure).__name__, VERB))
        return one
    refusal = reason_of_refusal(answer.detail)
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        one = recalls.get_recall(connection, one.id)
        if one.state is not RecallState.UNKNOWN:
            return one
        now = desk.clock.now()
        first = ATTEMPTS.first_at(connection, one.id) or now
        may_go_again = able.duplicate_key is DuplicateKey.MESSAGE_ID and now < first + timedelta(
            days=able.duplicate_days
        )
        if answer.state is SendState.RECEIVED or (answer.state is SendState.REFUSED and refusal in ALREADY_THERE):
            one = recalls.move_recall(connection, one, RecallState.SENT)
        elif answer.state is SendState.REFUSED:
            one = recalls.move_recall(connection, one, RecallState.REFUSED, answer_code=refusal)
        elif answer.state is SendState.NOT_RECEIVED and may_go_again:
            one = recalls.move_recall(connection, one, RecallState.SEALED)
        elif answer.state is SendState.NOT_RECEIVED:
            desk.waiting.append(needs_a_person(one.bank_code, one.case_id, "would not notice a second one"))
            return one
        else:
            desk.waiting.append(no_answer(one.bank_code, one.case_id, verb=VERB))
            return one
        desk.note(connection, one, {"because": "the bank was asked"})
    return one


def _send(desk: _Desk, one: Recall) -> None:
    """Note the attempt, hand the kept bytes over, note the answer."""
    if one.sha256 is None or one.name is None:
        raise ValueError("a request without bytes cannot be sent")
    adapter = desk.banks.get(one.bank_code).adapter
    leaving = BankFile(one.name, desk.vault.get(one.sha256), one.case_id, ControlTotals(1, one.amount_vnd))
    try:
        with desk.database.write() as connection:
            batches.queue_for_money(connection)
            claimed = recalls.move_recall(connection, one, RecallState.SENDING)
            number = ATTEMPTS.start(connection, one.id, desk.clock.now())
            desk.note(connection, claimed, {"attempt": number})
    except Conflict:
        return  # another run has it in hand
    try:
        reach("leaving")
        outcome, detail = AttemptOutcome.SENT, str(adapter.send(leaving))
        reach("answered")
    except BankUnreachable as failure:
        outcome, detail = AttemptOutcome.NOT_SENT, str(failure)
        desk.waiting.append(unreachable(one.bank_code, one.case_id, VERB))
    except BankRefused as failure:
        is_there = failure.code in ALREADY_THERE
        outcome, detail = AttemptOutcome.SENT if is_there else AttemptOutcome.REFUSED, f"{failure.code} {failure}"
    except Exception as failure:  # noqa: BLE001  # the safe mistake: the bank may have it
        # What an unforeseen exception says may hold anything, a payee's name too.
        outcome, detail = AttemptOutcome.UNKNOWN, type(failure).__name__
        desk.waiting.append(no_answer(one.bank_code, one.case_id, verb=VERB))
    _note_answer(desk, claimed, number, outcome, detail)


_AFTER = {
    AttemptOutcome.SENT: RecallState.SENT,
    AttemptOutcome.REFUSED: RecallState.REFUSED,
    AttemptOutcome.NOT_SENT: RecallState.SEALED,
    AttemptOutcome.UNKNOWN: RecallState.UNKNOWN,
}


def _note_answer(desk: _Desk, claimed: Recall, number: int, outcome: AttemptOutcome, detail: str) -> None:
    """Write down how an attempt ended; a sender that slept while others took over adds nothing but
    that the bank took it."""
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        now = desk.clock.now()
        one = recalls.get_recall(connection, claimed.id)
        ATTEMPTS.finish(connection, one.id, number, now, outcome, detail)
        was_asked_since = one.state is RecallState.UNKNOWN and outcome is AttemptOutcome.SENT
        if one.version == claimed.version or was_asked_since:
            code = reason_of_refusal(detail) if outcome is AttemptOutcome.REFUSED else ""
            one = recalls.move_recall(connection, one, _AFTER[outcome], answer_code=code)
        desk.note(connection, one, {"attempt": number, "ended": outcome.value})
