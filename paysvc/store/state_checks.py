"""The equations of what became of payments, batches and files, asked of the rows and of the trail.

A payment's state is a function of what its bank said and booked (`domain.reconciliation`, and
`core.standing` for those who post); here it is said a second time, in the database's language and
over all payments at once. Only the ranks of statuses (`domain.bank_returns`) are the same table:
there is no second source of what a bank's code means. What was done, by us or on a bank's word, is
in the trail as well, in the same transaction: that is the other side for batches, attempts and files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Subquery, and_, case, func, or_, select

from paysvc.domain import bank_letters
from paysvc.domain.bank_returns import FINAL_ACCEPTANCES, REFUSALS, STATUS_RANK, LetterWord
from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import NOT_LIVE, BatchState, InstructionState
from paysvc.domain.money import VND
from paysvc.store.attempts import AttemptOutcome
from paysvc.store.dissolved_checks import dissolved
from paysvc.store.returns import FileState
from paysvc.store.tables import (
    audit_event,
    bank_file,
    bank_statement,
    batch,
    inbound_file,
    instruction,
    ledger_transaction,
    payment_status,
    recall,
    recall_attempt,
    send_attempt,
    statement_line,
    withdrawal,
)

#: Statuses in the order in which they are joined: the last of those that were given counts.
_STATUSES = sorted((one for one, rank in STATUS_RANK.items() if rank), key=lambda one: (STATUS_RANK[one], one))
_NUMBERS = {status: number for number, status in enumerate(_STATUSES, 1)}

#: How much earlier than its attempt an event of the trail may be: clocks are set back, but not by more.
_CLOCK = timedelta(hours=1)


# ------------------------------------------------------------------ payments and batches


def states(connection: Connection) -> Examined:
    """Each batch against ledger and trail; each payment against its batch and all that its bank said of it."""
    of_batches, count = _batch_states(connection)
    found = [
        *of_batches,
        *dissolved(connection, _dissolved_at(connection)),
        *_payment_states(connection),
        *_misplaced_statuses(connection),
    ]
    count += connection.execute(select(func.count()).select_from(instruction)).scalar_one()
    return Examined(Equation.STATES, count, tuple(found))


def _payment_states(connection: Connection) -> Iterator[Difference]:
    """Payments whose row says something else than their batch, their statuses and their bookings together.

    How often and over how much a payment is booked is taken from its row: `bookings` proves that.
    """
    one, said, letter, foreign = instruction.c, _said(), _said_by_letter(), _booked_in_another_currency()
    best = case({number: status for status, number in _NUMBERS.items()}, value=said.c.best, else_="")
    refused = or_(func.coalesce(said.c.refused, 0) > 0, func.coalesce(batch.c.state, "") == BatchState.REFUSED.value)
    word = case(
        (and_(letter.c.made > 0, letter.c.not_made > 0), LetterWord.BOTH.value),
        (letter.c.made > 0, LetterWord.MADE.value),
        (letter.c.not_made > 0, LetterWord.NOT_MADE.value),
        else_=LetterWord.NOTHING.value,
    )
    completed = and_(best.in_(sorted(FINAL_ACCEPTANCES)), word != LetterWord.NOT_MADE.value)
    state = _state(refused, completed, foreign.c.instruction_id.is_not(None))
    is_live = state.not_in([each.value for each in NOT_LIVE])
    rows = connection.execute(
        select(
            one.end_to_end_id,
            state.label("state_due"), best.label("best_due"), _flag(refused).label("refused_due"),
            _flag(is_live).label("live_due"), word.label("word_due"), one.state, one.best_status,
            _flag(one.is_refused).label("is_refused"), _flag(one.is_live).label("is_live"), one.letter_word,
        )
        .outerjoin(batch, batch.c.id == one.batch_id)
        .outerjoin(withdrawal, withdrawal.c.instruction_id == one.id)
        .outerjoin(said, said.c.instruction_id == one.id)
        .outerjoin(letter, letter.c.instruction_id == one.id)
        .outerjoin(foreign, foreign.c.instruction_id == one.id)
        .where(
            or_(
                state != one.state,
                best != one.best_status,
                word != one.letter_word,
                _flag(refused) != _flag(one.is_refused),
                _flag(is_live) != _flag(one.is_live),
            )
        )
        .order_by(one.id)
        .limit(MOST_NAMED)
    )  # fmt: skip
    for row in rows:
        yield Difference(
            Equation.STATES,
            f"payment {row.end_to_end_id}",
            _standing(row.state_due, row.best_due, row.refused_due, row.live_due, row.word_due),
            _standing(row.state, row.best_status, row.is_refused, row.is_live, row.letter_word),
        )


def _said() -> Subquery:
    """All statuses of each payment, joined: the number of the furthest acceptance, and whether one refused it."""
    status = payment_status.c
    return (
        select(
            status.instruction_id,
            func.max(case(_NUMBERS, value=status.status, else_=0)).label("best"),
            func.max(_flag(status.status.in_(sorted(REFUSALS)))).label("refused"),
        )
        .where(status.instruction_id.is_not(None))
        .group_by(status.instruction_id)
        .subquery("said")
    )


def _said_by_letter() -> Subquery:
    """What accepted letters said of each payment: from the letters, which are few, to their statuses."""
    status, file = payment_status.c, inbound_file.c

    def how_often(*statuses: str) -> ColumnElement[int]:
        return func.sum(_flag(status.status.in_(statuses)))

    letters = select(file.id).where(file.kind == bank_letters.KIND)
    # By its index SQLite would go through all statuses there are, to have them in order.
    of_payment = status.instruction_id + 0
    return (
        select(
            of_payment.label("instruction_id"),
            how_often("ACSC").label("made"),
            how_often("RJCT").label("not_made"),
        )
        .where(status.inbound_file_id.in_(letters))
        .group_by(of_payment)
        .subquery("said_by_letter")
    )


def _booked_in_another_currency() -> Subquery:
    line = statement_line.c
    where = (line.instruction_id.is_not(None), line.status == "BOOK", line.currency != VND)
    return select(line.instruction_id).where(*where).group_by(line.instruction_id).subquery("foreign_line")


def _state(refused: ColumnElement[bool], completed: ColumnElement[bool], foreign: Any) -> ColumnElement[str]:
    one, of = instruction.c, InstructionState
    out, back, net = one.debit_count, one.credit_count, one.debited_vnd - one.credited_vnd
    # Of what came back a part is missing: nothing or the amount is what may be left (C27).
    is_part = and_(out > 0, back > 0, ~foreign, net > 0, net != one.amount_vnd)
    net = case((and_(foreign, net <= 0), out - back), else_=net)
    at_the_bank = case(
        (is_part, of.DISPUTED.value),
        (and_(out + back > 0, net > 0), of.SETTLED.value),
        (and_(out > 0, net == 0), of.RETURNED.value),
        (out > 0, of.DISPUTED.value),
        (and_(refused, or_(completed, back > 0)), of.DISPUTED.value),
        (refused, of.REJECTED.value),
        else_=of.SENT.value,
    )
    is_there = batch.c.state.in_([BatchState.SENT.value, BatchState.REFUSED.value])
    return case(
        (and_(one.batch_id.is_(None), withdrawal.c.id.is_not(None)), of.CANCELLED.value),
        (one.batch_id.is_(None), of.PLANNED.value),
        (batch.c.id.is_(None), "in a batch that is not there"),
        (batch.c.state == BatchState.DISSOLVED.value, "in a batch that was dissolved"),
        (is_there, at_the_bank),
        (batch.c.state == BatchState.UNKNOWN.value, of.UNKNOWN.value),
        else_=of.BATCHED.value,
    )


def _standing(state: str, best: str, refused: int, live: int, letter: str) -> str:
    words = (state, best, "refused" if refused else "", "" if live else "ended", f"letter: {letter}" if letter else "")
    return ", ".join(filter(None, words))


def _misplaced_statuses(connection: Connection) -> Iterator[Difference]:
    """Statuses joined to another payment than the one they name."""
    status = payment_status.c
    rows = connection.execute(
        select(status.reference)
        .outerjoin(instruction, instruction.c.id == status.instruction_id)
        .where(
            status.instruction_id.is_not(None),
            or_(instruction.c.id.is_(None), instruction.c.end_to_end_id != status.reference),
        )
        .order_by(status.inbound_file_id, status.position)
        .limit(MOST_NAMED)
    )
    for name in rows.scalars():
        yield Difference(Equation.STATES, f"status under {name}", "its payment", "none, or another")


def _batch_states(connection: Connection) -> tuple[list[Difference], int]:
    """Batches that are not where the ledger has their money, or, before it moved, where the trail left them."""
    posted = ledger_transaction.c
    of_batches = posted.kind.in_(["batch_sent", "batch_refused"])
    moved = set(connection.execute(select(posted.reference).where(of_batches)).scalars())
    told = _last_told(connection)
    rows = connection.execute(select(batch.c.bank_code, batch.c.message_id, batch.c.state).order_by(batch.c.id)).all()
    found = []
    for bank_code, message_id, state in rows:
        if f"batch_refused:{bank_code}:{message_id}" in moved:
            expected = BatchState.REFUSED.value
        elif f"batch_sent:{bank_code}:{message_id}" in moved:
            expected = BatchState.SENT.value
        else:
            expected = told.get(message_id, BatchState.SEALED.value)
        if state != expected:
            found.append(Difference(Equation.STATES, f"batch {message_id}", expected, state))
    return found, len(rows)


def _last_told(connection: Connection) -> dict[str, str]:
    """MsgId -> the last state of its batch of which the trail tells."""
    found: dict[str, str] = {}
    for event in _events(connection, "submit-batches", "withdraw-payments", "recover"):
        if event.subject.startswith("batch:") and "state" in event.detail:
            found[event.subject.removeprefix("batch:")] = event.detail["state"]
        for message_id in (*event.detail.get("taken_up", ()), *event.detail.get("in_question", ())):
            found[message_id] = BatchState.UNKNOWN.value
        for message_id in event.detail.get("dissolved", ()):
            found[message_id] = BatchState.DISSOLVED.value
    return found


def _dissolved_at(connection: Connection) -> dict[str, str]:
    """MsgId -> when its batch was dissolved, by the trail."""
    found: dict[str, str] = {}
    for event in _events(connection, "submit-batches", "withdraw-payments", "recover"):
        if "dissolved_at" in event.detail:
            found[event.subject.removeprefix("batch:")] = event.detail["dissolved_at"]
        found.update(event.detail.get("dissolved", {}))
    return found


# ---------------------------------------------------------------------------- attempts


def attempts(connection: Connection) -> Examined:
    """Every try at handing a file over, as it is kept and as the trail tells of it.

    The rows say from when on a bank remembers a file (its duplicate window), and whether it may
    have it at all. Only what left before a database was put back is in rows alone, or, where a file that
    left later proves it, what did not leave then.
    """
    kept = _kept_attempts(connection)
    recovered = [event.detail.get("dissolved", ()) for event in _events(connection, "recover")]
    unsent = {f"batch:{message_id}" for of_event in recovered for message_id in of_event}
    found = []
    begun = set()
    for event in _events(connection, "submit-batches", "recall-payments"):
        number = event.detail.get("attempt")
        if number is None:
            continue
        key, ended = (event.subject, int(number)), event.detail.get("ended")
        row = kept.get(key)
        subject = f"attempt {number} of {event.subject.replace(':', ' ')}"
        if ended is None:
            begun.add(key)
            if row is None:
                found.append(Difference(Equation.ATTEMPTS, subject, "kept", "not so"))
            elif row.started_at > event.at + _CLOCK:
                at = (f"{one:%Y-%m-%d %H:%M}" for one in (event.at, row.started_at))
                found.append(Difference(Equation.ATTEMPTS, subject, *(f"begun at {one}" for one in at)))
        elif row is not None and row.outcome not in (ended, AttemptOutcome.UNKNOWN):
            # UNKNOWN: others had closed it before its sender came to tell.
            found.append(Difference(Equation.ATTEMPTS, subject, ended, row.outcome or "under way"))
    for subject, number in kept.keys() - begun:
        is_unsent = subject in unsent and kept[subject, number].outcome == AttemptOutcome.NOT_SENT
        if kept[subject, number].outcome != AttemptOutcome.UNKNOWN and not is_unsent:
            what = f"attempt {number} of {subject.replace(':', ' ')}"
            found.append(Difference(Equation.ATTEMPTS, what, "none", kept[subject, number].outcome or "under way"))
    return Examined(Equation.ATTEMPTS, max(len(kept), len(begun)), tuple(sorted(found)[:MOST_NAMED]))


def _kept_attempts(connection: Connection) -> dict[tuple[str, int], Row[Any]]:
    """(what is handed over as the trail names it, number) -> the row."""
    found = {}
    of_batches = select(bank_file.c.message_id, send_attempt).join(
        send_attempt, send_attempt.c.bank_file_id == bank_file.c.id
    )
    of_recalls = select(recall.c.case_id, recall_attempt).join(
        recall_attempt, recall_attempt.c.recall_id == recall.c.id
    )
    for kind, statement in (("batch", of_batches), ("recall", of_recalls)):
        for row in connection.execute(statement):
            found[f"{kind}:{row[0]}", int(row.number)] = row
    return found


# ------------------------------------------------------------------------ inbound files


def inbound_files(connection: Connection) -> Examined:
    """Every file of a bank: what was decided about it, by its row and by the trail.

    The trail decides: a file that was refused for what others had said before may be sound by
    itself, so its bytes alone cannot tell whether QUARANTINED is what it ought to be.
    """
    decided: dict[tuple[str, str], tuple[str, str]] = {}
    for event in _events(connection, "reconcile-returns"):
        if event.subject.startswith("file:"):
            said = event.detail
            decided[said["bank"], event.subject.removeprefix("file:")] = (said["state"], said["kind"])
    one = inbound_file.c
    rows = connection.execute(
        select(one.bank_code, one.sha256, one.state, one.kind, _with_rows().label("spoke")).order_by(one.id)
    ).all()
    found = []
    for bank_code, digest, state, kind, spoke in rows:
        expected = decided.get((bank_code, digest.hex()), (FileState.STORED.value, ""))
        subject = file_subject(bank_code, digest)
        if (state, kind) != expected:
            found.append(Difference(Equation.INBOUND_FILES, subject, _words(*expected), _words(state, kind)))
        elif spoke and state != FileState.ACCEPTED.value:
            found.append(Difference(Equation.INBOUND_FILES, subject, "nothing of it taken", "rows of it"))
    return Examined(Equation.INBOUND_FILES, len(rows), tuple(found[:MOST_NAMED]))


def file_subject(bank_code: str, digest: bytes) -> str:
    """A file of a bank by its digest: its name is the bank's, and may say anything."""
    return f"file {digest.hex()[:16]} of {bank_code}"


def _with_rows() -> ColumnElement[bool]:
    file_id = inbound_file.c.id
    return or_(
        file_id.in_(select(payment_status.c.inbound_file_id).distinct()),
        file_id.in_(select(bank_statement.c.inbound_file_id)),
    )


def _words(state: str, kind: str) -> str:
    return f"{state} {kind}".rstrip()


# ---------------------------------------------------------------------------- the trail


class _Event(NamedTuple):
    at: datetime
    subject: str
    detail: dict[str, Any]


def _events(connection: Connection, *verbs: str) -> Iterator[_Event]:
    """What these verbs told, in order; that nobody changed it is what `trail` says."""
    event = audit_event.c
    rows = connection.execute(
        select(event.at, event.subject, event.detail).where(event.verb.in_(verbs)).order_by(event.id)
    )
    for at, subject, detail in rows:
        yield _Event(at, subject, json.loads(detail))


def _flag(value: ColumnElement[bool]) -> ColumnElement[int]:
    return case((value, 1), else_=0)
