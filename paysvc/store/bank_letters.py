"""Letters of banks: recorded, approved or closed; what they name; and the file that each becomes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, update

from paysvc.clock import vietnam_day
from paysvc.domain.bank_letters import About, ApprovedLetter, LetterContent, Objection, Subject
from paysvc.domain.errors import Conflict, FileRefused, NotFound
from paysvc.domain.instructions import BatchState
from paysvc.store.attempts import AttemptOutcome
from paysvc.store.bulk import in_chunks, next_ids
from paysvc.store.returns import FileState, InboundFile
from paysvc.store.tables import bank_file, bank_letter, batch, inbound_file, instruction, send_attempt

#: States of a batch that its bank has or may have.
_OUT = (BatchState.UNKNOWN.value, BatchState.SENT.value, BatchState.REFUSED.value)


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as it stands. `file_state` is that of the file that it became, or None."""

    id: int
    content: LetterContent
    content_sha256: bytes
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    closed_by: str | None
    close_reason: str
    file_state: FileState | None

    @property
    def state(self) -> str:
        """`proposed`, `closed`, or once approved what became of its file: `stored`, `accepted`, `quarantined` …"""
        if self.closed_by is not None:
            return "closed"
        return "proposed" if self.file_state is None else self.file_state.value.lower()

    def approved(self, approver: str, at: datetime) -> ApprovedLetter:
        """The file that it becomes when this officer approves it at this moment."""
        return ApprovedLetter(self.id, self.content, approver, at)


# ------------------------------------------------------------------------------- letters


def list_letters(connection: Connection, bank_code: str | None, *, only_open: bool) -> list[StoredLetter]:
    """The letters in the order in which they were recorded; of one bank where it is given."""
    wanted = _letters().order_by(bank_letter.c.id)
    if bank_code is not None:
        wanted = wanted.where(bank_letter.c.bank_code == bank_code)
    if only_open:
        wanted = wanted.where(bank_letter.c.approved_at.is_(None), bank_letter.c.closed_at.is_(None))
    return [_letter(row) for row in connection.execute(wanted)]


def get_letter(connection: Connection, letter_id: int) -> StoredLetter:
    """One letter. Raises `NotFound`."""
    row = connection.execute(_letters().where(bank_letter.c.id == letter_id)).first()
    if row is None:
        raise NotFound("letter_unknown", f"There is no letter {letter_id}.", next_step="paysvc list-letters --all")
    return _letter(row)


def find_standing(connection: Connection, content_sha256: bytes) -> StoredLetter | None:
    """The letter with this content that was not closed, or None."""
    columns = bank_letter.c
    row = connection.execute(
        _letters().where(columns.content_sha256 == content_sha256, columns.closed_at.is_(None))
    ).first()
    return None if row is None else _letter(row)


def insert_letter(connection: Connection, content: LetterContent, at: datetime) -> int:
    """Write down what an officer recorded, for another to approve; returns its id. The scan is in the vault."""
    letter_id = next_ids(connection, "bank_letter", 1)[0]
    connection.execute(
        insert(bank_letter).values(
            id=letter_id,
            bank_code=content.bank_code,
            number=content.number,
            dated=content.dated,
            says=content.says.value,
            scan_sha256=content.scan_sha256,
            scan_size=content.scan_size,
            content=content.text,
            content_sha256=content.sha256,
            proposed_by=content.maker,
            proposed_at=at,
        )
    )
    return letter_id


def approve(connection: Connection, letter: ApprovedLetter, sha256: bytes) -> None:
    """Make the letter a file of its bank; its bytes lie in the vault under `sha256`.

    Raises `Conflict` when it was decided meanwhile, or the bank gave these very bytes itself.
    """
    bank_code, content = letter.content.bank_code, letter.file
    same = select(inbound_file.c.id).where(inbound_file.c.bank_code == bank_code, inbound_file.c.sha256 == sha256)
    if connection.execute(same).first() is not None:
        raise Conflict("letter_file_known", "A file of the bank has the bytes that this letter would have.")
    file_id = next_ids(connection, "inbound_file", 1)[0]
    connection.execute(
        insert(inbound_file).values(
            id=file_id,
            bank_code=bank_code,
            name=letter.file_name,
            sha256=sha256,
            size=len(content),
            received_at=letter.approved_at,
            state=FileState.STORED.value,
        )
    )
    _decide(
        connection,
        letter.id,
        approved_by=letter.approver,
        approved_at=letter.approved_at,
        inbound_file_id=file_id,
    )


def close(connection: Connection, letter_id: int, actor_id: str, at: datetime, reason: str) -> None:
    """The letter will not be approved, and why. Raises `Conflict` when it was decided meanwhile."""
    _decide(connection, letter_id, closed_by=actor_id, closed_at=at, close_reason=reason)


def _decide(connection: Connection, letter_id: int, **values: Any) -> None:
    columns = bank_letter.c
    decided = connection.execute(
        update(bank_letter)
        .where(columns.id == letter_id, columns.approved_at.is_(None), columns.closed_at.is_(None))
        .values(**values)
    )
    if decided.rowcount != 1:
        raise Conflict("letter_decided", f"Letter {letter_id} was decided already.")


def require_approved(connection: Connection, file: InboundFile) -> None:
    """Raise `FileRefused` for a file that no two officers recorded (`letter_not_approved`), or whose bank got one
    of the files once more since it was recorded, so that the paper cannot mean that (`letter_overtaken`)."""
    row = connection.execute(
        _letters().where(bank_letter.c.inbound_file_id == file.id, bank_letter.c.approved_at.is_not(None))
    ).first()
    if row is None:
        raise FileRefused(
            "letter_not_approved", "It is written as a letter that two officers recorded, and none is kept."
        )
    letter = _letter(row)
    if objections(connection, letter.content, letter.proposed_at).get(Objection.LEFT_LATER):
        raise FileRefused("letter_overtaken", "A file that it speaks of left once more after it was recorded.")


def _letters() -> Any:
    return select(bank_letter, inbound_file.c.state.label("file_state")).outerjoin(
        inbound_file, inbound_file.c.id == bank_letter.c.inbound_file_id
    )


def _letter(row: Row[Any]) -> StoredLetter:
    return StoredLetter(
        id=row.id,
        content=LetterContent.of_json(json.loads(row.content)),
        content_sha256=row.content_sha256,
        proposed_at=row.proposed_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        closed_by=row.closed_by,
        close_reason=row.close_reason,
        file_state=None if row.file_state is None else FileState(row.file_state),
    )


# ---------------------------------------------------------------------------- what it names


def objections(
    connection: Connection, content: LetterContent, recorded_at: datetime | None
) -> dict[Objection, list[str]]:
    """What stands against the letter by what is known now: the names of each objection, in their order."""
    read = _files if content.about is About.FILES else _payments
    subjects = read(connection, content.bank_code, content.names)
    found: dict[Objection, list[str]] = {}
    for name in content.names:
        one = subjects.get(name)
        objection = Objection.UNKNOWN if one is None else one.objection(content.says, content.dated, recorded_at)
        if objection is not None:
            found.setdefault(objection, []).append(name)
    return found


def _files(connection: Connection, bank_code: str, message_ids: Sequence[str]) -> dict[str, Subject]:
    """Our files to this bank among these; one that was never written is none."""
    one = instruction.c
    is_booked = exists().where(one.batch_id == batch.c.id, or_(one.debit_count > 0, one.credit_count > 0))
    found = {}
    for chunk in in_chunks(message_ids):
        rows = connection.execute(
            select(batch.c.message_id.label("name"), batch.c.state, _left_at(), is_booked.label("is_booked"))
            .join(bank_file, bank_file.c.batch_id == batch.c.id)
            .where(batch.c.bank_code == bank_code, batch.c.message_id.in_(chunk))
        )
        found.update({row.name: _subject(row) for row in rows})
    return found


def _payments(connection: Connection, bank_code: str, references: Sequence[str]) -> dict[str, Subject]:
    """The payments in files of ours to this bank among these."""
    one = instruction.c
    is_booked = or_(one.debit_count > 0, one.credit_count > 0)
    found = {}
    for chunk in in_chunks(references):
        rows = connection.execute(
            select(one.end_to_end_id.label("name"), batch.c.state, _left_at(), is_booked.label("is_booked"))
            .join(batch, batch.c.id == one.batch_id)
            .join(bank_file, bank_file.c.batch_id == batch.c.id)
            .where(one.bank_code == bank_code, one.end_to_end_id.in_(chunk))
        )
        found.update({row.name: _subject(row) for row in rows})
    return found


def _left_at() -> Any:
    """When bytes of the file may have left for the last time."""
    attempt = send_attempt.c
    return (
        select(func.max(attempt.started_at))
        .where(
            attempt.bank_file_id == bank_file.c.id,
            or_(attempt.outcome.is_(None), attempt.outcome != AttemptOutcome.NOT_SENT.value),
        )
        .correlate(bank_file)
        .scalar_subquery()
        .label("left_at")
    )


def _subject(row: Row[Any]) -> Subject:
    left_on = None if row.left_at is None else vietnam_day(row.left_at)
    return Subject(row.name, row.state in _OUT, row.left_at, left_on, bool(row.is_booked))
