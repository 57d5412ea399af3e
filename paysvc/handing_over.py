"""Hand a file over to its bank, once, whatever happens on the way (safety rules 3 and 4, crash points C10 to C17).

An attempt is noted before its first byte leaves, and its end after it. What the bank may have is
asked for and never sent anew blindly: only to a bank that notices a second file, while it does.
That is asked when an attempt begins, and again right before it leaves. It holds for whatever goes
to a bank as a file: here, that is an `Outgoing`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

from sqlalchemy import Connection

from paysvc.bank_interface import (
    BankAdapter,
    BankFile,
    BankRefused,
    BankUnreachable,
    Capabilities,
    DuplicateKey,
    Enquiry,
    SendState,
)
from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.core.messages import ControlTotals
from paysvc.domain.errors import Conflict, PaysvcError
from paysvc.domain.sending_answers import ALREADY_THERE, needs_a_person, no_answer, reason_of_refusal, unreachable
from paysvc.failpoints import reach
from paysvc.store.attempts import AttemptOutcome, Attempts
from paysvc.store.batches import queue_for_money
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from paysvc.store.witness import Requested, Sending


class Stage(StrEnum):
    """How far a file is on its way."""

    SEALED = "SEALED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    REFUSED = "REFUSED"
    #: Whatever comes after that is not about handing it over any more.
    OVER = "OVER"


class Desk(Protocol):
    """What a file is handed over with. `waiting` takes what has to be told at the end."""

    database: Database
    vault: Vault
    banks: BankRegistry
    clock: Clock
    waiting: list[PaysvcError]


class Outgoing(ABC):
    """What is to be handed over: a file whose bytes are kept, and the row that says how far it is."""

    #: What brings it on, as a person types it.
    verb: ClassVar[str]
    attempts: ClassVar[Attempts]

    bank_code: str
    #: By which its bank knows it.
    message_id: str
    name: str
    sha256: bytes
    totals: ControlTotals
    #: Under which its attempts are kept.
    attempts_of: int

    @property
    @abstractmethod
    def stage(self) -> Stage:
        """How far it was when it was read."""

    @property
    @abstractmethod
    def version(self) -> int:
        """Of the row as it was read; each move makes another."""

    @abstractmethod
    def read_again(self, connection: Connection) -> None:
        """What the row says now."""

    @abstractmethod
    def move(self, connection: Connection, after: Stage, at: datetime, reason_code: str = "") -> None:
        """Bring it to this stage, with everything that follows from it. One that is SENT or OVER stays so
        when its bank says again that it has it. Raises `Conflict` when the row changed since it was read.
        """

    @abstractmethod
    def note(self, connection: Connection, **detail: object) -> None:
        """Put into the trail how far it is, and why."""

    @abstractmethod
    def leaving(self, attempt: int) -> Sending | Requested:
        """What the journal outside the database is to know before this attempt leaves."""


def find_out(desk: Desk, outgoing: Outgoing) -> None:
    """Ask the bank about what it may have: a sending that was broken off, or one without an answer."""
    if outgoing.stage is Stage.SENDING:
        _left_in_the_middle(desk, outgoing)
    if outgoing.stage is Stage.UNKNOWN:
        _ask(desk, outgoing)


def _left_in_the_middle(desk: Desk, outgoing: Outgoing) -> None:
    """A run ended while it was sending: the bank may have the file (crash points C12 to C15)."""
    with desk.database.write() as connection:
        queue_for_money(connection)
        outgoing.read_again(connection)
        if outgoing.stage is not Stage.SENDING:
            return
        now = desk.clock.now()
        outgoing.attempts.close_open(connection, outgoing.attempts_of, now, "the run ended before the bank answered")
        outgoing.move(connection, Stage.UNKNOWN, now)
        outgoing.note(connection, because="left in the middle")


def _ask(desk: Desk, outgoing: Outgoing) -> None:
    """Ask the bank about a file it may have; only its word leads out of UNKNOWN (safety rule 3)."""
    adapter = desk.banks.get(outgoing.bank_code).adapter
    able = adapter.capabilities
    if not able.can_enquire:
        desk.waiting.append(needs_a_person(outgoing.bank_code, outgoing.message_id, "cannot be asked by a program"))
        return
    try:
        answer = adapter.enquire(outgoing.name, outgoing.message_id)
    except Exception as failure:  # noqa: BLE001  # whatever goes wrong while asking, we know no more than before
        desk.waiting.append(no_answer(outgoing.bank_code, outgoing.message_id, outgoing.verb, type(failure).__name__))
        return
    with desk.database.write() as connection:
        queue_for_money(connection)
        outgoing.read_again(connection)
        if outgoing.stage is Stage.UNKNOWN and _believe(desk, connection, outgoing, answer, able):
            outgoing.note(connection, because="the bank was asked")


def _is_noticed(able: Capabilities, first: datetime, now: datetime) -> bool:
    """Whether the bank would notice that it gets a second time now what it may have had since `first`."""
    return able.duplicate_key is DuplicateKey.MESSAGE_ID and now < first + timedelta(days=able.duplicate_days)


def _believe(desk: Desk, connection: Connection, outgoing: Outgoing, answer: Enquiry, able: Capabilities) -> bool:
    """Move the file on by the bank's answer; False when that does not say enough."""
    now, refusal = desk.clock.now(), reason_of_refusal(answer.detail)
    if answer.state is SendState.RECEIVED:
        outgoing.move(connection, Stage.SENT, now)
    elif answer.state is SendState.REFUSED and refusal in ALREADY_THERE:
        desk.waiting.append(
            needs_a_person(outgoing.bank_code, outgoing.message_id, "says that it had such a file before")
        )
        return False
    elif answer.state is SendState.REFUSED:
        outgoing.move(connection, Stage.REFUSED, now, refusal)
    elif answer.state is SendState.NOT_RECEIVED:
        first = outgoing.attempts.first_at(connection, outgoing.attempts_of)
        if not _is_noticed(able, first or now, now):
            desk.waiting.append(
                needs_a_person(outgoing.bank_code, outgoing.message_id, "would not notice a second one")
            )
            return False
        outgoing.move(connection, Stage.SEALED, now)
    else:
        desk.waiting.append(no_answer(outgoing.bank_code, outgoing.message_id, outgoing.verb))
        return False
    return True


class _Claim(NamedTuple):
    """An attempt that may leave: its number, the version of the row, and since when the bank may have had the
    file from an earlier one."""

    number: int
    version: int
    first: datetime | None


def send(desk: Desk, outgoing: Outgoing) -> None:
    """Note the attempt, inside the database and outside it, hand the kept bytes over, note the answer.

    What the bank may have got from an earlier attempt, although it said that it had not, and would not
    notice any more, does not leave: the bank is asked.
    """
    adapter = desk.banks.get(outgoing.bank_code).adapter
    content = desk.vault.get(outgoing.sha256)
    try:
        claim = _claim(desk, outgoing, adapter.capabilities)
    except Conflict:
        return  # another run has it in hand
    if claim is None:
        _ask(desk, outgoing)
        return
    desk.database.note_outside(outgoing.leaving(claim.number))
    leaving = BankFile(outgoing.name, content, outgoing.message_id, outgoing.totals)
    outcome, detail, reason_code = _leave(desk, outgoing, adapter, leaving, claim)
    _note_answer(desk, outgoing, claim, outcome, detail, reason_code)


def _claim(desk: Desk, outgoing: Outgoing, able: Capabilities) -> _Claim | None:
    """Begin an attempt; None, and the file UNKNOWN, where it must not leave. Raises `Conflict`."""
    with desk.database.write() as connection:
        queue_for_money(connection)
        now = desk.clock.now()
        first = outgoing.attempts.first_at(connection, outgoing.attempts_of)
        if first is not None and not _is_noticed(able, first, now):
            outgoing.move(connection, Stage.UNKNOWN, now)
            outgoing.note(connection, because="the bank would not notice a second one any more")
            return None
        outgoing.move(connection, Stage.SENDING, now)
        number = outgoing.attempts.start(connection, outgoing.attempts_of, now)
        outgoing.note(connection, attempt=number)
    return _Claim(number, outgoing.version, first)


def _leave(
    desk: Desk, outgoing: Outgoing, adapter: BankAdapter, leaving: BankFile, claim: _Claim
) -> tuple[AttemptOutcome, str, str]:
    """How it ended, in whose words, and the code of a refusal. Whatever is no proof is UNKNOWN."""
    try:
        reach("leaving")
        if not _may_leave(desk, outgoing, adapter.capabilities, claim):
            return AttemptOutcome.NOT_SENT, "it was no longer this run's to send", ""
        detail = str(adapter.send(leaving))
        reach("answered")
        return AttemptOutcome.SENT, detail, ""
    except BankUnreachable as failure:
        desk.waiting.append(unreachable(outgoing.bank_code, outgoing.message_id, outgoing.verb))
        return AttemptOutcome.NOT_SENT, str(failure), ""
    except BankRefused as failure:
        detail = f"{failure.code} {failure}"
        if failure.code not in ALREADY_THERE:
            return AttemptOutcome.REFUSED, detail, reason_of_refusal(failure.code)
    except Exception as failure:  # noqa: BLE001  # the safe mistake: the bank may have it
        # What an unforeseen exception says may hold anything, a payee's name too.
        detail = type(failure).__name__
    desk.waiting.append(no_answer(outgoing.bank_code, outgoing.message_id, outgoing.verb))
    return AttemptOutcome.UNKNOWN, detail, ""


def _may_leave(desk: Desk, outgoing: Outgoing, able: Capabilities, claim: _Claim) -> bool:
    """Whether the claim still holds: a sender that slept since may have been taken for dead, and the
    bank's memory of an earlier attempt may have ended (crash point C16)."""
    with desk.database.read() as connection:
        outgoing.read_again(connection)
    is_in_time = claim.first is None or _is_noticed(able, claim.first, desk.clock.now())
    return outgoing.version == claim.version and is_in_time


def _is_last_word(outgoing: Outgoing, connection: Connection, claim: _Claim) -> bool:
    """Whether a refusal that came late still speaks of what is asked about: nothing may have left since."""
    tries = outgoing.attempts.list_all(connection, outgoing.attempts_of)
    later = {outcome for number, outcome, _ in tries if number > claim.number}
    return outgoing.stage is Stage.UNKNOWN and later <= {AttemptOutcome.NOT_SENT.value}


def _note_answer(
    desk: Desk, outgoing: Outgoing, claim: _Claim, outcome: AttemptOutcome, detail: str, reason_code: str
) -> None:
    """Write down how an attempt ended. A sender that slept while others took over may only add
    the bank's own yes, or its no while that is the last word; what it does not know, it must not
    overwrite (crash point C16)."""
    with desk.database.write() as connection:
        queue_for_money(connection)
        now = desk.clock.now()
        outgoing.read_again(connection)
        is_ours = outgoing.version == claim.version
        outgoing.attempts.finish(connection, outgoing.attempts_of, claim.number, now, outcome, detail)
        if outcome is AttemptOutcome.SENT and outgoing.stage is not Stage.REFUSED:
            outgoing.move(connection, Stage.SENT, now)
        elif outcome is AttemptOutcome.REFUSED and (is_ours or _is_last_word(outgoing, connection, claim)):
            outgoing.move(connection, Stage.REFUSED, now, reason_code)
        elif outcome is AttemptOutcome.NOT_SENT and is_ours:
            outgoing.move(connection, Stage.SEALED, now)
        elif outcome is AttemptOutcome.UNKNOWN and is_ours:
            outgoing.move(connection, Stage.UNKNOWN, now)
        outgoing.note(connection, attempt=claim.number, ended=outcome.value)
