"""The equation of banks' letters, asked of the rows and of the trail (`store.book_checks` asks the others)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from paysvc.domain.bank_letters import KIND, ApprovedLetter, LetterContent
from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.store.returns import FileState
from paysvc.store.state_checks import file_subject
from paysvc.store.tables import audit_event, bank_letter, inbound_file


class _Told(NamedTuple):
    """What the trail tells of one step of a letter."""

    actor: str
    content: str


#: Subject and verb -> what was told.
_Trail = dict[tuple[str, str], _Told]


def letters(connection: Connection) -> Examined:
    """Every letter is what was recorded, by whom the trail tells; an approved one is the file that it says."""
    rows = connection.execute(
        select(bank_letter, inbound_file.c.bank_code.label("file_bank"), inbound_file.c.sha256, inbound_file.c.size)
        .outerjoin(inbound_file, inbound_file.c.id == bank_letter.c.inbound_file_id)
        .order_by(bank_letter.c.id)
    ).all()
    told = _told(connection)
    found = [one for row in rows for one in _of_letter(row, told)]
    known = {f"letter:{row.id}" for row in rows}
    for subject in sorted({subject for subject, _ in told} - known):
        found.append(Difference(Equation.LETTERS, subject.replace(":", " "), "kept", "not so"))
    found += _without_letter(connection)
    return Examined(Equation.LETTERS, len(rows), tuple(found[:MOST_NAMED]))


def scans(connection: Connection) -> list[Row[Any]]:
    """Of every letter id, scan_sha256 and scan_size, in order."""
    columns = bank_letter.c
    return list(connection.execute(select(columns.id, columns.scan_sha256, columns.scan_size).order_by(columns.id)))


def _told(connection: Connection) -> _Trail:
    event = audit_event.c
    rows = connection.execute(
        select(event.subject, event.verb, event.actor, event.detail)
        .where(event.verb.in_(["propose-letter", "approve-letter", "decline-letter"]))
        .order_by(event.id)
    )
    return {(row.subject, row.verb): _Told(row.actor, json.loads(row.detail)["content_sha256"]) for row in rows}


def _of_letter(row: Row[Any], told: _Trail) -> Iterator[Difference]:
    subject = f"letter {row.id}"
    content = _content(row)
    if content is None:
        yield Difference(Equation.LETTERS, subject, "what was recorded", "something else")
        return
    digest = row.content_sha256.hex()
    for verb, by in (
        ("propose-letter", row.proposed_by),
        ("approve-letter", row.approved_by),
        ("decline-letter", row.closed_by),
    ):
        expected = told.get((f"letter:{row.id}", verb))
        said = None if by is None else _Told(by, digest)
        if expected != said:
            yield Difference(Equation.LETTERS, f"{subject}, {verb}", _words(expected), _words(said))
    if row.approved_by is None:
        return
    if row.approved_by == row.proposed_by:
        yield Difference(Equation.LETTERS, subject, "two officers", "one")
    file = ApprovedLetter(row.id, content, row.approved_by, row.approved_at).file
    expected_file = (row.bank_code, hashlib.sha256(file).digest(), len(file))
    if (row.file_bank, row.sha256, row.size) != expected_file:
        yield Difference(Equation.LETTERS, subject, "a file of its bank with these words", "none, or another")


def _content(row: Row[Any]) -> LetterContent | None:
    """What was recorded, where text, digest and columns say the same."""
    try:
        content = LetterContent.of_json(json.loads(row.content))
        is_same = content.text == row.content and content.sha256 == row.content_sha256
    except (ValueError, KeyError, TypeError):
        return None
    columns = (row.bank_code, row.number, row.dated, row.scan_sha256, row.scan_size, row.says, row.proposed_by)
    said = (content.bank_code, content.number, content.dated, content.scan_sha256, content.scan_size)
    return content if is_same and columns == (*said, content.says.value, content.maker) else None


def _words(told: _Told | None) -> str:
    return "nobody" if told is None else f"{told.actor}, of {told.content[:16]}"


def _without_letter(connection: Connection) -> list[Difference]:
    """Files that were believed as letters, and that no two officers recorded."""
    file = inbound_file.c
    recorded = select(bank_letter.c.inbound_file_id).where(bank_letter.c.approved_at.is_not(None))
    rows = connection.execute(
        select(file.bank_code, file.sha256)
        .where(file.kind == KIND, file.state == FileState.ACCEPTED.value, file.id.not_in(recorded))
        .order_by(file.id)
    )
    return [
        Difference(Equation.LETTERS, file_subject(row.bank_code, row.sha256), "recorded by two officers", "not so")
        for row in rows
    ]
