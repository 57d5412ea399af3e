"""recall-payments: ask banks to take back what is paid twice after a re-submission (crash point C29).

Recalled is the later of the two payments: it is the one that a bank may still be able to stop. The
request is kept and noted before it leaves, and leaves as a batch does (`paysvc.handing_over`).
Where a bank takes no such request by file, a person has to ask it, and is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from paysvc.bank_interface import RecallsPayments
from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.core.messages import ControlTotals, RecallRequest
from paysvc.domain.errors import PaysvcError, Waiting
from paysvc.domain.officers import Officer, require
from paysvc.domain.recalling import DUPLICATE, RecallState, case_id
from paysvc.handing_over import Outgoing, Stage, find_out, send
from paysvc.store import audit_trail, batches, recalls
from paysvc.store.engine import Database
from paysvc.store.recalls import ATTEMPTS, DuePayment, Recall, UnaskedPayment
from paysvc.store.vault import Vault
from paysvc.store.witness import Requested

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
        desk.waiting += [_not_asked(one) for one in recalls.find_unasked(connection)]
    return Recalls(found, tuple(desk.waiting))


def _not_asked(one: UnaskedPayment) -> Waiting:
    return Waiting(
        "recall_not_asked",
        f"{one.end_to_end_id} is paid twice, it is {one.state}, and bank {one.bank_code} is not asked to take it back.",
        next_step="It is asked as soon as the bank has the payment. If the bank has it or refused to be asked by file:"
        " ask it by telephone or letter; its statement shows when it has come back.",
    )


def _try(desk: _Desk, step: Callable[[], None]) -> None:
    """One request's trouble is no reason to keep the others waiting."""
    try:
        step()
    except PaysvcError as failure:
        desk.waiting.append(failure)


def _request(desk: _Desk, payment: DuePayment) -> None:
    """Write the request down, with its bytes where the bank takes a file."""
    now, case = desk.clock.now(), case_id(payment.end_to_end_id, payment.requests_before)
    file = _written(desk, payment, case, now)
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        if payment not in recalls.find_due(connection):
            return  # another run has it, or one of the two has come back
        state = RecallState.BY_HAND if file is None else RecallState.SEALED
        one = recalls.insert_recall(connection, payment, case, state, now, file)
        desk.note(connection, one, {"amount_vnd": str(payment.amount_vnd)})


def _written(desk: _Desk, payment: DuePayment, case: str, now: datetime) -> dict[str, Any] | None:
    """The request in the bank's dialect, its bytes kept; None where the dialect cannot say it.

    What left before the database was put back leaves in the same bytes again.
    """
    witness = desk.database.witness
    before = witness.find_request(payment.bank_code, case) if witness else None
    if before is not None and desk.vault.holds(before.sha256):
        return {name: getattr(before, name) for name in ("name", "sha256", "size", "written_by")}
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


class _OutgoingRecall(Outgoing):
    """A request on its way; what the bank says of it, other than that it has it, is no matter of handing it over."""

    verb = VERB
    attempts = ATTEMPTS

    def __init__(self, desk: _Desk, one: Recall, name: str, sha256: bytes, size: int) -> None:
        self._desk, self._size = desk, size
        self.one = one
        self.bank_code, self.message_id, self.name, self.sha256 = one.bank_code, one.case_id, name, sha256
        self.totals, self.attempts_of = ControlTotals(1, one.amount_vnd), one.id

    @property
    def stage(self) -> Stage:
        return Stage(self.one.state.value) if self.one.state.value in _ON_ITS_WAY else Stage.OVER

    @property
    def version(self) -> int:
        return self.one.version

    def read_again(self, connection: Connection) -> None:
        self.one = recalls.get_recall(connection, self.one.id)

    def move(self, connection: Connection, after: Stage, at: datetime, reason_code: str = "") -> None:
        if after is Stage.SENT and self.stage in (Stage.SENT, Stage.OVER):
            return
        if after is Stage.UNKNOWN and self.stage is Stage.SEALED:
            self.one = recalls.move_recall(connection, self.one, RecallState.SENDING)
        code = {"answer_code": reason_code} if after is Stage.REFUSED else {}
        self.one = recalls.move_recall(connection, self.one, RecallState(after.value), **code)

    def note(self, connection: Connection, **detail: object) -> None:
        self._desk.note(connection, self.one, detail)

    def leaving(self, attempt: int) -> Requested:
        """One that a database forgot is made again under the same case id, and has to be the same bytes."""
        one = self.one
        return Requested(one.bank_code, one.case_id, self.name, self.sha256, self._size, one.written_by)


_ON_ITS_WAY = frozenset(Stage) - {Stage.OVER}


def _bring_on(desk: _Desk, one: Recall) -> None:
    if one.name is None or one.sha256 is None or one.size is None:
        _remind(desk, one)
        return
    outgoing = _OutgoingRecall(desk, one, one.name, one.sha256, one.size)
    find_out(desk, outgoing)
    if outgoing.stage is not Stage.SEALED:
        return
    if outgoing.one.is_wanted:
        send(desk, outgoing)
    else:
        _withdraw(desk, outgoing.one)


def _remind(desk: _Desk, one: Recall) -> None:
    """A person has to ask the bank, as long as both are paid."""
    if not one.is_wanted:
        _withdraw(desk, one)
        return
    desk.waiting.append(
        Waiting(
            "recall_needs_a_person",
            f"Bank {one.bank_code} takes no recall by file: {one.end_to_end_id} is paid twice.",
            next_step="Ask the bank by telephone or letter to take it back; its statement shows when it has.",
        )
    )


def _withdraw(desk: _Desk, one: Recall) -> None:
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        now = recalls.get_recall(connection, one.id)
        if now.version == one.version and not now.is_wanted:
            desk.note(connection, recalls.move_recall(connection, now, RecallState.WITHDRAWN), {})
