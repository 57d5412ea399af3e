"""Files that left before the database was put back: what is in them is paid, whatever the rows say.

A lost file is open until a plan says again what it says (its batch then bears its MsgId and
its bytes, and the bank is asked as for any other), or until two officers answer for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from paysvc.domain.batching import MadeBatch, content_sha256, said_of
from paysvc.domain.errors import DoesNotReconcile, Waiting
from paysvc.domain.identifiers import END_TO_END_ID_LENGTH, message_id
from paysvc.domain.instructions import BatchState
from paysvc.domain.sending_answers import lost_file_open
from paysvc.store import answered_files, bank_files, batches, dissolving, double_payments, sending
from paysvc.store.attempts import AttemptOutcome
from paysvc.store.bank_files import ATTEMPTS
from paysvc.store.batches import Batch
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.cycles import Cycle
from paysvc.store.tables import (
    bank_file,
    batch,
    instruction,
    lost_file,
    lost_reference,
    payment_cycle,
    send_attempt,
)
from paysvc.store.taking import MustWait
from paysvc.store.witness import Sending

#: `identifiers.end_to_end_id`, wherever it begins: every dialect writes it as plain ASCII, but what stands before
#: and after it is the dialect's. What only looks like one is noted with the others, and does no harm.
_REFERENCE = re.compile(rb"(?=(P[0-9A-HJKMNP-TV-Z]{%d}))" % (END_TO_END_ID_LENGTH - 1))

#: `identifiers.message_id`: its day is the value date of the file.
_MESSAGE_ID = re.compile(r"M(\d{4})(\d\d)(\d\d)[0-9A-HJKMNP-TV-Z]{16}")

_DETAIL = "left before the database was restored"
_NEVER_LEFT = "did not leave: its payments left in another file"


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file the rows do not know; `references` are the payments in it."""

    id: int
    sending: Sending
    references: frozenset[str]
    is_settled: bool


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What of a plan is left when its part in lost files is taken out.

    `rest` are the columns of the planned payments that may go into new files; `settled` are
    (EndToEndId, bank) of those in files which officers answered for.
    """

    rest: dict[str, list[Any]]
    message_ids: tuple[str, ...] = ()
    settled: tuple[tuple[str, str], ...] = ()
    waiting: tuple[Waiting, ...] = ()


def references_in(content: bytes) -> frozenset[str]:
    """Every EndToEndId in the bytes of a bank file, in whatever dialect."""
    own = message_id_in(content)
    # Of 32 MsgIds one has an end that reads like an EndToEndId; it is nobody's payment.
    body = content.replace(own.encode(), b" ") if own else content
    return frozenset(found.decode() for found in _REFERENCE.findall(body))


def message_id_in(content: bytes) -> str | None:
    """The MsgId in the bytes of a bank file of ours, or None."""
    found = re.search(_MESSAGE_ID.pattern.encode(), content)
    return found[0].decode() if found else None


def is_noted(connection: Connection, bank_code: str, message_id_: str) -> bool:
    """Whether this file was found to be lost before, whatever became of it."""
    known = exists().where(lost_file.c.bank_code == bank_code, lost_file.c.message_id == message_id_)
    return bool(connection.execute(select(known)).scalar_one())


def insert_lost_file(connection: Connection, one: Sending, references: Iterable[str], at: datetime) -> None:
    """Note a lost file by the last of its sendings, with the moment of the first."""
    file_id = next_ids(connection, "lost_file", 1)[0]
    connection.execute(
        insert(lost_file).values(
            id=file_id,
            bank_code=one.bank_code,
            cycle_code=one.cycle_code,
            message_id=one.message_id,
            name=one.name,
            sha256=one.sha256,
            size=one.size,
            written_by=one.written_by,
            left_at=one.left_at,
            attempts=one.attempt,
            found_at=at,
        )
    )
    listed = sorted(references)
    insert_columns(connection, lost_reference, {"lost_file_id": Same(file_id), "reference": listed})


def known_sendings(connection: Connection) -> list[Sending]:
    """Every try at sending that the rows know, of batches and of lost files, as a journal names them."""
    columns = bank_file.c
    noted = connection.execute(
        select(
            columns.bank_code, payment_cycle.c.code, columns.message_id, columns.name, columns.sha256, columns.size,
            send_attempt.c.number, columns.written_by, send_attempt.c.started_at,
        )
        .join(bank_file, columns.id == send_attempt.c.bank_file_id)
        .join(batch, batch.c.id == columns.batch_id)
        .join(payment_cycle, payment_cycle.c.id == batch.c.cycle_id)
        .order_by(columns.id, send_attempt.c.number)
    )  # fmt: skip
    lost = connection.execute(
        select(*(lost_file.c["attempts" if name == "attempt" else name] for name in Sending._fields))
    )
    return [Sending(*row) for rows in (noted, lost) for row in rows]


def settle(connection: Connection, file: LostFile, by: str, at: datetime) -> None:
    """Note that officers answer for an open file without a plan."""
    where = (lost_file.c.id == file.id, lost_file.c.settled_at.is_(None))
    connection.execute(update(lost_file).where(*where).values(settled_at=at, settled_by=by))


def open_files(connection: Connection, bank_code: str = "") -> list[LostFile]:
    """The files that no batch has taken up and nobody answered for, oldest first."""
    return [one for one in _to_take_up(connection, bank_code) if not one.is_settled]


def refuse_open(connection: Connection, bank_code: str, references: Iterable[str]) -> None:
    """Raise `MustWait` when one of these is in an open file: it is no stranger, it is only not known again yet."""
    files = open_files(connection, bank_code)
    if files:
        wanted = frozenset(references)
        for one in files:
            if not wanted.isdisjoint(one.references):
                raise MustWait(
                    "lost_file_open",
                    f"It speaks of {one.sending.message_id}, which left before the database was restored and is in no"
                    " plan yet.",
                )


def take_up(connection: Connection, cycle: Cycle, planned: Mapping[str, list[Any]], at: datetime) -> TakenUp:
    """Make the batches of a plan anew that left before the database was put back.

    Such a batch has the MsgId, the bytes and the attempts of the lost file, and is UNKNOWN: the
    bank says what became of it. Its value date is that of the file, not today's. While a file
    of another plan is open there is no rest: anybody may be in that file, under another id too
    (a month that was paid alone then, and with its arrears now).

    Raises `Waiting`, and nothing is made, when payments of the plan are in a lost file and the
    plan does not say what that file says, or when officers answered for a file after the plan was drawn.
    """
    files = _to_take_up(connection) if planned["id"] else []
    if not files:
        return TakenUp(dict(planned))
    answered = [one.sending.message_id for one in files if one.is_settled and one.references]
    answered_files.require_drawn_since(connection, cycle, answered)
    where = {reference: row for row, reference in enumerate(planned["end_to_end_id"])}
    taken, settled, still_open, gone = [], [], [], set()
    for file in files:
        # In the order of the file, which is that of the ids.
        rows = [where[one] for one in sorted(file.references) if one in where]
        gone.update(rows)
        if file.is_settled:
            settled += [(planned["end_to_end_id"][row], planned["bank_code"][row]) for row in rows]
        elif rows:
            _make_again(connection, cycle, file.sending, planned, rows, at)
            taken.append(file.sending.message_id)
        else:
            still_open.append(lost_file_open(file.sending.message_id, file.sending.cycle_code))
    rest = [row for row in range(len(planned["id"])) if row not in gone]
    return TakenUp(
        {name: [] if still_open else [values[row] for row in rest] for name, values in planned.items()},
        tuple(taken),
        tuple(settled),
        tuple(still_open[:1]) if rest else (),
    )


def put_in_question(
    connection: Connection, one: Batch, sendings: Sequence[Sending], at: datetime, *, is_all: bool = True
) -> Batch:
    """A batch whose file may have left, with the attempts that the rows do not know: the bank has to be asked.

    Unless these `sendings` are all that there can be (`is_all`), one more attempt stands for those of which nobody
    knows: a batch that may have left is never dissolved, whatever its bank says.
    """
    file = bank_files.find_file(connection, one.id)
    assert file is not None
    known = {number for number, _, _ in ATTEMPTS.list_all(connection, file.id)}
    ATTEMPTS.close_open(connection, file.id, at, _DETAIL)
    for sent in sendings:
        if sent.attempt not in known:
            known.add(sent.attempt)
            ATTEMPTS.insert(connection, file.id, sent.attempt, sent.left_at)
            ATTEMPTS.finish(connection, file.id, sent.attempt, at, AttemptOutcome.UNKNOWN, _DETAIL)
    if not is_all and ATTEMPTS.first_at(connection, file.id) is None:
        number = ATTEMPTS.start(connection, file.id, at)
        ATTEMPTS.finish(connection, file.id, number, at, AttemptOutcome.UNKNOWN, _DETAIL)
    return sending.record_unknown(connection, one)


def find_written_again(
    connection: Connection, lost: Sequence[tuple[Sending, frozenset[str]]]
) -> list[tuple[Batch, datetime]]:
    """The batches of which one of these files holds a payment, and when the first such file left. The files are
    those that left after the backup was made: a batch of it was made before any of them.

    A payment is written a second time only when the batch in which it was has been dissolved. So that is what
    became of it, and nothing of it ever left.
    """
    found = []
    for one in batches.list_of_state(connection, BatchState.SEALED, BatchState.SENDING) if lost else []:
        held = batches.read_batched(connection, one.id)["end_to_end_id"]
        left = [
            sent.left_at
            for sent, references in lost
            if sent.bank_code == one.bank_code and not references.isdisjoint(held)
        ]
        if left:
            found.append((one, min(left)))
    return found


def dissolve_as_it_was(
    connection: Connection, one: Batch, sendings: Sequence[Sending], since: datetime, at: datetime, by: str
) -> None:
    """Dissolve a batch whose payments are in a file that left at `since`, with the attempts that the rows do not know.

    Raises `DoesNotReconcile` when it may have left: then its payments may be at the bank twice.
    """
    file = bank_files.find_file(connection, one.id)
    if file is not None:
        known = {number: outcome for number, outcome, _ in ATTEMPTS.list_all(connection, file.id)}
        for sent in sendings:
            if sent.attempt not in known:
                known[sent.attempt] = ""
                ATTEMPTS.insert(connection, file.id, sent.attempt, sent.left_at)
        for number, outcome in known.items():
            if not outcome:
                ATTEMPTS.finish(connection, file.id, number, at, AttemptOutcome.NOT_SENT, _NEVER_LEFT)
    if one.state is BatchState.SENDING:
        one = sending.record_not_sent(connection, one)
    if not dissolving.may_be_dissolved(connection, one):
        raise DoesNotReconcile(
            "lost_file_holds_what_left",
            f"The file {one.message_id} may have left, and a file that left later holds payments of it.",
            next_step="Ask the bank which of the two it has, and send nothing before that is clear.",
        )
    # A report of a moment since then speaks of the file that left.
    dissolving.dissolve(connection, one, since, by)


def _make_again(
    connection: Connection,
    cycle: Cycle,
    sent: Sending,
    planned: Mapping[str, Sequence[Any]],
    rows: Sequence[int],
    at: datetime,
) -> None:
    made = _as_it_was(connection, cycle, sent, planned, rows)
    if made is None:
        raise Waiting(
            "plan_differs_from_lost_file",
            f"{len(rows)} payments of {cycle.code} are in the file {sent.message_id} for bank {sent.bank_code}, which"
            " left before the database was restored, and the plan does not say what that file says.",
            next_step="Withdraw the plan, bring the registry to where it was, and plan the cycle again under its code;"
            " docs/operations.md, 'A lost file'.",
        )
    batches.insert_batches(connection, cycle.id, [made], planned["id"], at)
    one = batches.find_by_message_id(connection, sent.bank_code, sent.message_id)
    assert one is not None
    # It was there when it left: what its bank said of it since may lie here before it is taken up.
    bank_files.insert_file(connection, one, sent.name, sent.sha256, sent.size, sent.written_by, sent.left_at)
    put_in_question(connection, one, [sent], at)
    double_payments.note_taken_up(connection, [planned["id"][row] for row in rows], at)


def _as_it_was(
    connection: Connection, cycle: Cycle, sent: Sending, planned: Mapping[str, Sequence[Any]], rows: Sequence[int]
) -> MadeBatch | None:
    """The batch of these rows, if its content gives the MsgId of the file: then both say the same."""
    day = _MESSAGE_ID.fullmatch(sent.message_id)
    banks, purposes = ({planned[name][row] for row in rows} for name in ("bank_code", "purpose"))
    if day is None or banks != {sent.bank_code} or len(purposes) != 1:
        return None
    value_date = date(*map(int, day.groups()))
    digest = content_sha256(cycle.code, sent.bank_code, value_date, purposes.pop(), said_of(planned, rows))
    if message_id(value_date.isoformat(), digest) != sent.message_id:
        return None
    part = 1 + batches.last_part(connection, cycle.id, sent.bank_code)
    total = sum(planned["amount_vnd"][row] for row in rows)
    return MadeBatch(sent.bank_code, part, value_date, total, digest, sent.message_id, tuple(rows))


def _to_take_up(connection: Connection, bank_code: str = "") -> list[LostFile]:
    """Without those that were dissolved and left in parts: a later file holds payments of theirs."""
    return [
        one for one in not_taken_up(connection, bank_code) if one.is_settled or not _is_written_again(connection, one)
    ]


def _is_written_again(connection: Connection, one: LostFile) -> bool:
    """Whether a file that left later holds a payment of this one. Only what a plan says is one is taken for one:
    two files may well share other things that look like a reference."""
    mine, other, later = lost_reference.alias("mine"), lost_reference.alias("other"), lost_file.alias("later")
    shared = (
        select(mine.c.reference)
        .join(instruction, instruction.c.end_to_end_id == mine.c.reference)
        .join(other, other.c.reference == mine.c.reference)
        .join(later, later.c.id == other.c.lost_file_id)
        .where(mine.c.lost_file_id == one.id, later.c.id > one.id, later.c.bank_code == one.sending.bank_code)
        .where(instruction.c.bank_code == one.sending.bank_code)
    )
    return connection.execute(shared.limit(1)).first() is not None


def not_taken_up(connection: Connection, bank_code: str = "") -> list[LostFile]:
    """The files that no batch has taken up, answered for or not, oldest first."""
    columns = lost_file.c
    again = exists().where(batch.c.bank_code == columns.bank_code, batch.c.message_id == columns.message_id)
    statement = select(lost_file).where(~again).order_by(columns.id)
    if bank_code:
        statement = statement.where(columns.bank_code == bank_code)
    return [_lost(connection, row) for row in connection.execute(statement).all()]


def _lost(connection: Connection, row: Row[Any]) -> LostFile:
    references = select(lost_reference.c.reference).where(lost_reference.c.lost_file_id == row.id)
    sent = Sending(
        row.bank_code, row.cycle_code, row.message_id, row.name, row.sha256, row.size, row.attempts, row.written_by,
        row.left_at,
    )  # fmt: skip
    found = frozenset(connection.execute(references).scalars())
    return LostFile(row.id, sent, found, row.settled_at is not None)
