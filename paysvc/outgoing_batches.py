"""A batch on its way to its bank: what handing its file over does to its payments and their money."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from paysvc.bank_interface import SendState
from paysvc.core.messages import ControlTotals
from paysvc.domain.instructions import BatchState
from paysvc.domain.sending_answers import ALREADY_THERE, reason_of_refusal, says_nothing
from paysvc.handing_over import Desk, Outgoing, Stage, find_out, send
from paysvc.store import bank_files, batches, dissolving, sending
from paysvc.store.bank_files import ATTEMPTS, StoredFile
from paysvc.store.batches import Batch
from paysvc.store.cycles import Cycle
from paysvc.store.witness import Sending


class BatchDesk(Desk, Protocol):
    """With what a batch is handed over."""

    def note(self, connection: Connection, one: Batch, detail: dict[str, object]) -> None:
        """Put into the trail what became of the batch."""


class OutgoingBatch(Outgoing):
    """A batch on its way: its state, its payments and their money move together."""

    verb = "submit-batches"
    attempts = ATTEMPTS

    def __init__(self, desk: BatchDesk, cycle: Cycle, one: Batch, file: StoredFile) -> None:
        self._desk, self._cycle, self._file = desk, cycle, file
        self.one = one
        self.bank_code, self.message_id, self.name, self.sha256 = one.bank_code, one.message_id, file.name, file.sha256
        self.totals, self.attempts_of = ControlTotals(file.count, file.sum_vnd), file.id

    @property
    def stage(self) -> Stage:
        return Stage.OVER if self.one.state is BatchState.DISSOLVED else Stage(self.one.state.value)

    @property
    def version(self) -> int:
        return self.one.version

    def read_again(self, connection: Connection) -> None:
        self.one = batches.get_batch(connection, self.one.id)

    def move(self, connection: Connection, after: Stage, at: datetime, reason_code: str = "") -> None:
        match after:
            case Stage.SENDING:
                dissolving.refuse_overtaken(connection, self.one)
                self.one = batches.move_batch(connection, self.one, BatchState.SENDING)
            case Stage.SENT:
                self.one = sending.record_sent(connection, self.one, at)
            case Stage.REFUSED:
                self.one = sending.record_refused(connection, self.one, at, reason_code)
            case Stage.UNKNOWN:
                self.one = sending.record_unknown(connection, self.one)
            case Stage.SEALED:
                self.one = sending.record_not_sent(connection, self.one)
            case Stage.OVER:
                raise ValueError("a batch that its bank has is SENT, whatever comes after")

    def note(self, connection: Connection, **detail: object) -> None:
        self._desk.note(connection, self.one, {"state": self.one.state.value, **detail})

    def leaving(self, attempt: int) -> Sending:
        desk, file = self._desk, self._file
        written_by, now = desk.banks.get(self.bank_code).written_by, desk.clock.now()
        about = (self.bank_code, self._cycle.code, self.message_id)
        return Sending(*about, file.name, file.sha256, file.size, attempt, written_by, now)


def hand_over(desk: BatchDesk, cycle: Cycle, one: Batch) -> None:
    """Bring one batch as far as it will go: ask for what the bank may have, send what it has not."""
    with desk.database.read() as connection:
        file = bank_files.find_file(connection, one.id)
        one = batches.get_batch(connection, one.id)
    if file is None or one.state is BatchState.DISSOLVED:
        return  # not written: its payments are named among the unpayable; or dissolved by another run
    outgoing = OutgoingBatch(desk, cycle, one, file)
    find_out(desk, outgoing)
    if outgoing.stage is Stage.SEALED:
        send(desk, outgoing)
    elif outgoing.stage is Stage.SENT:
        _ask_why_silent(desk, outgoing.one, file)


def _ask_why_silent(desk: BatchDesk, one: Batch, file: StoredFile) -> None:
    """A bank that took a file and says nothing of it may have refused it where nobody looks (crash point C23)."""
    bank, now = desk.banks.get(one.bank_code), desk.clock.now()
    with desk.database.read() as connection:
        if not batches.is_batch_silent(connection, one.id, now):
            return
    desk.waiting.append(says_nothing(one.bank_code, one.message_id))
    if not bank.adapter.capabilities.can_enquire:
        return
    try:
        answer = bank.adapter.enquire(file.name, file.message_id)
    except Exception:  # noqa: BLE001  # whatever goes wrong while asking, we know no more than before
        return
    if answer.state is not SendState.REFUSED or reason_of_refusal(answer.detail) in ALREADY_THERE:
        return
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        # A status file or a statement may have spoken meanwhile, and says more.
        if batches.is_batch_silent(connection, one.id, now):
            one = batches.get_batch(connection, one.id)
            one = sending.record_refused(connection, one, now, reason_of_refusal(answer.detail))
            desk.note(connection, one, {"state": one.state.value, "because": "asked why it said nothing"})
            desk.waiting.pop()
