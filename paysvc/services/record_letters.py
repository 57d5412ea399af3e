"""A bank's word by letter: recorded by one officer, approved by another, and then a file of the bank.

Where a bank can be asked only by telephone, its letter is what ends UNKNOWN, SENT and DISPUTED. What
it names is judged when it is recorded, when it is approved, and when `reconcile-returns` takes the
file that it became (docs/decisions/0023).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock, vietnam_day
from paysvc.domain.bank_letters import (
    WORDS,
    About,
    ApprovedLetter,
    LetterContent,
    Named,
    Objection,
    Says,
    names_of,
    require_fit,
)
from paysvc.domain.errors import Conflict, NotAllowed, NotFound, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.domain.reasons import require_reason
from paysvc.store import audit_trail, bank_letters, batches
from paysvc.store.bank_letters import StoredLetter
from paysvc.store.engine import Database
from paysvc.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Recorded:
    """A letter that waits for an approver; `is_new` is False for one that was recorded so before."""

    letter: StoredLetter
    is_new: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """The bytes of a letter's scan. They name people."""

    name: str
    content: bytes


def list_letters(
    database: Database, actor: Officer, *, bank_code: str | None = None, only_open: bool = True
) -> list[StoredLetter]:
    """The letters that wait for an approver, or all of them, as they were recorded. Raises `NotAllowed`."""
    require(actor, "read")
    with database.read() as connection:
        return bank_letters.list_letters(connection, bank_code, only_open=only_open)


def propose_letter(
    database: Database,
    vault: Vault,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    bank_code: str,
    number: str,
    dated: date,
    scan: bytes,
    says: Says,
    about: About,
    named: Sequence[Named],
) -> Recorded:
    """Record what a bank's letter says of files of ours or of payments, for another officer to approve.

    Recording again what waits changes nothing. Raises `InvalidInput`, `NotFound` or `Conflict` with the
    place of the first name of which the letter cannot speak, `NotAllowed`.
    """
    require(actor, "propose-letter")
    database.require_writable()
    banks.get(bank_code)
    require_fit(number, dated, vietnam_day(clock.now()), len(scan), says, about)
    digest = hashlib.sha256(scan).digest()
    content = LetterContent(bank_code, number, dated, digest, len(scan), says, about, names_of(named), actor.officer_id)
    places: dict[str, str] = {}
    for one in named:
        places.setdefault(one.name, one.place)
    with database.read() as connection:
        _require_no_objection(connection, content, places)
    vault.put(scan)
    with database.write() as connection:
        batches.queue_for_money(connection)
        standing = bank_letters.find_standing(connection, content.sha256)
        if standing is not None:
            _require_undecided(standing)
            return Recorded(standing, is_new=False)
        _require_no_objection(connection, content, places)
        now = clock.now()
        letter_id = bank_letters.insert_letter(connection, content, now)
        _note(connection, clock, actor, "propose-letter", letter_id, content)
        return Recorded(bank_letters.get_letter(connection, letter_id), is_new=True)


def approve_letter(
    database: Database, vault: Vault, clock: Clock, actor: Officer, *, letter_id: int, content_sha256: bytes
) -> StoredLetter:
    """Approve what was recorded of a letter, as the officer saw it: from here on it is a file of the bank,
    which `reconcile-returns` takes once.

    Approving again what one approved oneself changes nothing. Raises `NotFound`, `Conflict`
    (`content_changed`, `letter_decided`, or why it cannot speak of what it names any more), `NotAllowed`
    (`own_letter`), and what the vault raises when the scan is not there any more.
    """
    require(actor, "approve-letter")
    database.require_writable()
    with database.read() as connection:
        letter = bank_letters.get_letter(connection, letter_id)
        if letter.approved_by == actor.officer_id and letter.content_sha256 == content_sha256:
            return letter
        _require_approvable(connection, letter, actor, content_sha256)
    vault.get(letter.content.scan_sha256)
    approved = ApprovedLetter(letter.id, letter.content, actor.officer_id, clock.now())
    digest = vault.put(approved.file)
    with database.write() as connection:
        batches.queue_for_money(connection)
        _require_approvable(connection, bank_letters.get_letter(connection, letter_id), actor, content_sha256)
        bank_letters.approve(connection, approved, digest)
        _note(connection, clock, actor, "approve-letter", letter_id, letter.content, {"file": digest.hex()})
        return bank_letters.get_letter(connection, letter_id)


def decline_letter(database: Database, clock: Clock, actor: Officer, *, letter_id: int, reason: str) -> StoredLetter:
    """Close a letter that waits: an approver declines it, or who recorded it takes it back.

    Raises `InvalidInput` without a reason, `Conflict` (`letter_decided`), `NotFound`, `NotAllowed`.
    """
    require(actor, "decline-letter")
    require_reason(reason)
    with database.write() as connection:
        letter = bank_letters.get_letter(connection, letter_id)
        _require_undecided(letter)
        bank_letters.close(connection, letter_id, actor.officer_id, clock.now(), reason)
        _note(connection, clock, actor, "decline-letter", letter_id, letter.content, {"reason": reason})
        return bank_letters.get_letter(connection, letter_id)


def export_letter(database: Database, vault: Vault, clock: Clock, actor: Officer, *, letter_id: int) -> Scan:
    """The scan of a letter, for who has to look at it; who asked is in the trail.

    Raises `NotFound`, `SignatureInvalid` when the kept bytes were changed, `NotAllowed`.
    """
    require(actor, "export-letter")
    with database.write() as connection:
        letter = bank_letters.get_letter(connection, letter_id)
        _note(connection, clock, actor, "export-letter", letter_id, letter.content)
    content = vault.get(letter.content.scan_sha256)
    return Scan(f"letter-{letter_id}.{_ending(content)}", content)


def _ending(content: bytes) -> str:
    """By what the bytes are; a name that somebody gave them is not kept."""
    kinds = ((b"%PDF", "pdf"), (b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"II*\x00", "tif"), (b"MM\x00*", "tif"))
    return next((ending for start, ending in kinds if content.startswith(start)), "bin")


def _require_approvable(connection: Connection, letter: StoredLetter, actor: Officer, content_sha256: bytes) -> None:
    _require_undecided(letter)
    if letter.content.maker == actor.officer_id:
        raise NotAllowed(
            "own_letter",
            f"Letter {letter.id} was recorded by the officer who approves it.",
            next_step="Ask another approver.",
        )
    if letter.content_sha256 != content_sha256 or letter.content.sha256 != content_sha256:
        raise Conflict(
            "content_changed",
            f"What is recorded of letter {letter.id} is not what was looked at.",
            next_step="Look at it again, then approve what is recorded.",
        )
    _require_no_objection(connection, letter.content, {}, letter)


def _require_undecided(letter: StoredLetter) -> None:
    if letter.approved_by is not None or letter.closed_by is not None:
        raise Conflict("letter_decided", f"Letter {letter.id} was decided already: it is {letter.state}.")


def _require_no_objection(
    connection: Connection, content: LetterContent, places: Mapping[str, str], letter: StoredLetter | None = None
) -> None:
    found = bank_letters.objections(connection, content, None if letter is None else letter.proposed_at)
    for objection, names in found.items():
        raise _refusal(objection, names, places)


def _refusal(objection: Objection, names: Sequence[str], places: Mapping[str, str]) -> PaysvcError:
    """The first name, in the order in which they were given, with its place, and how many others there are."""
    kind = NotFound if objection is Objection.UNKNOWN else Conflict
    concerned = set(names)
    first = next((name for name in places if name in concerned), names[0])
    others = f" ({len(names) - 1} more like it)" if len(names) > 1 else ""
    return kind(
        objection.value,
        f"The letter cannot speak of {first}: {WORDS[objection]}{others}.",
        next_step="Correct what was named, or ask the bank once more.",
        place=places.get(first, ""),
    )


def _note(
    connection: Connection,
    clock: Clock,
    actor: Officer,
    verb: str,
    letter_id: int,
    content: LetterContent,
    detail: Mapping[str, object] | None = None,
) -> None:
    """What stands on the paper is in the row, which never changes; the trail has its digest."""
    said = {
        "bank": content.bank_code,
        "says": content.says.value,
        "names": len(content.names),
        "content_sha256": content.sha256.hex(),
    }
    audit_trail.append(connection, clock.now(), actor, verb, f"letter:{letter_id}", {**said, **(detail or {})})
