"""recover: account for what was done with a later database, and let this one be written to again.

What left is in the journal of sendings; what the bank has of it the bank is asked, by
submit-batches, as after any lost answer. Nothing is sent here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.errors import Conflict, DoesNotReconcile, InvalidInput, NotAllowed, NotFound, PaysvcError, Waiting
from paysvc.domain.instructions import BatchState
from paysvc.domain.officers import Officer, require
from paysvc.sealing import Sealer
from paysvc.store import answered_files, audit_trail, bank_files, batches, lost_files
from paysvc.store.engine import Database
from paysvc.store.lost_files import LostFile
from paysvc.store.tables import instant_text
from paysvc.store.vault import Vault
from paysvc.store.witness import Sending, Witness

VERB = "recover"
APPROVAL = "approve-recovery"

#: (bank, MsgId)
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of ours that a bank has, as somebody brought it from there."""

    bank_code: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found. `doubt` is why the database could only be read ("" when it could be written to).

    `lost_files` are open: a plan has to say again what they say before anything new is sent.
    `in_question` are the MsgIds of batches that may have been sent since: the bank is asked.
    """

    doubt: str
    lost_files: tuple[LostFile, ...]
    in_question: tuple[str, ...]
    settled: tuple[str, ...]


def recover(
    database: Database,
    witness: Witness,
    vault: Vault,
    clock: Clock,
    actor: Officer,
    approver: Officer,
    *,
    given: Sequence[GivenFile] = (),
    all_given: bool = False,
    by_hand: Sequence[str] = (),
    sealer: Sealer | None = None,
) -> Recovery:
    """Take what the journal of sendings knows into a database that is older, and end its being read only.

    Every file that left and is in no row becomes a lost file: the payments in it are in no other
    file ever, and nothing new leaves before it is in a plan again. Every batch that may have
    left since becomes UNKNOWN. `given` are files whose bytes the vault or the journal lacks;
    `all_given` states, where there is no whole journal, that every bank was asked and
    nothing else left. `by_hand` names lost files (MsgIds) that the two officers answer for: whoever is in
    them is paid by no plan, under whatever id; for that it takes the `sealer`.

    Broken off, it may be done again. Raises `Conflict` when there is nothing to recover from,
    `Waiting` naming what a person has to find out first, `InvalidInput`, `NotFound`,
    `DoesNotReconcile`, `NotAllowed`.
    """
    require(actor, VERB)
    require(approver, APPROVAL)
    if by_hand and sealer is None:
        raise ValueError("who is in a file can only be told with the key of the references")
    if actor.officer_id == approver.officer_id:
        raise NotAllowed("two_people", "A recovery takes two people.")
    with database.read() as connection:
        doubt = witness.doubt(connection)
        since = audit_trail.last_at(connection)
    if doubt is None and not by_hand:
        raise Conflict("nothing_to_recover", "The database is what was last worked with; there is nothing to recover.")
    left = _left(witness, vault, given, since or clock.now()) if doubt else {}
    if doubt and not witness.is_whole and not all_given:
        raise _incomplete(since)
    with database.read() as connection:
        references = _references(connection, vault, left, by_hand)
    with database.write(in_doubt=True) as connection:
        batches.queue_for_money(connection)
        _account(connection, clock.now(), left, references)
        dissolved = _dissolve(connection, clock.now(), left, references)
        found = _put_in_question(connection, clock.now(), left, is_all=witness.is_whole) if doubt else ()
        settled = _settle(connection, clock.now(), actor, by_hand, sealer)
        result = Recovery(str(doubt or ""), tuple(lost_files.open_files(connection)), found, settled)
        detail = {
            "approver": approver.officer_id,
            "doubt": result.doubt,
            "lost_files": sorted(one.sending.message_id for one in result.lost_files),
            "in_question": list(found),
            "dissolved": dissolved,
            "by_hand": list(settled),
            "given": [file.name for file in given],
        }
        audit_trail.append(connection, clock.now(), actor, VERB, "database", detail)
        head = audit_trail.head(connection)
        known = lost_files.known_sendings(connection)
    if doubt:
        noted = {_tried(one) for one in witness.sendings()}
        witness.note_recovered(head, [one for one in known if _tried(one) not in noted])
    return result


def _tried(one: Sending) -> tuple[str, str, int]:
    return one.bank_code, one.message_id, one.attempt


def _incomplete(since: datetime | None) -> Waiting:
    after = f" after {since.isoformat(timespec='seconds')}" if since else ""
    return Waiting(
        "journal_incomplete",
        f"The journal of sendings does not reach back, so nobody here knows which files left{after}.",
        next_step="Ask every bank which files it has from us since then. Give each that this database does not know"
        " with --file BANK PATH, and state with --all-files-given that there is no other.",
    )


def _left(witness: Witness, vault: Vault, given: Sequence[GivenFile], since: datetime) -> dict[_Key, list[Sending]]:
    """Every sending that is known of, by file, in order; what is given is in the vault then."""
    left: dict[_Key, list[Sending]] = defaultdict(list)
    for sent in witness.sendings():
        left[sent.bank_code, sent.message_id].append(sent)
    for file in given:
        message_id = lost_files.message_id_in(file.content)
        if message_id is None or not lost_files.references_in(file.content):
            raise InvalidInput("file_not_ours", "The file holds no message id and payments of ours.", place=file.name)
        digest = vault.put(file.content)
        noted = left[file.bank_code, message_id]
        if not noted:
            # The earliest that it can have left: the bank's memory of it is taken to be as short as it may be.
            size, source = len(file.content), "given by officers"
            noted.append(Sending(file.bank_code, "", message_id, file.name, digest, size, 1, source, since))
        elif noted[-1].sha256 != digest:
            raise InvalidInput("file_differs", f"It is not the file that left as {message_id}.", place=file.name)
    return left


def _references(
    connection: Connection, vault: Vault, left: dict[_Key, list[Sending]], by_hand: Sequence[str]
) -> dict[_Key, frozenset[str]]:
    """The payments in each file that no row knows. Raises `Waiting` naming one whose bytes are lost as well."""
    found: dict[_Key, frozenset[str]] = {}
    for (bank_code, message_id), sendings in left.items():
        if batches.find_by_message_id(connection, bank_code, message_id) is not None:
            continue
        if lost_files.is_noted(connection, bank_code, message_id):
            continue
        try:
            found[bank_code, message_id] = lost_files.references_in(vault.get(sendings[-1].sha256))
        except PaysvcError as failure:
            if message_id not in by_hand:
                raise Waiting(
                    "lost_file_bytes_missing",
                    f"The file {message_id} left for bank {bank_code} at {sendings[0].left_at.isoformat()}, and its"
                    f" bytes are not in the vault ({failure.code}): nobody here knows whom it pays.",
                    next_step=f"Get it back from the bank or a later backup of the vault (--file {bank_code} PATH), or"
                    f" answer for all that is in it: --by-hand {message_id}.",
                ) from failure
            found[bank_code, message_id] = frozenset()
    return found


def _account(
    connection: Connection,
    now: datetime,
    left: dict[_Key, list[Sending]],
    references: dict[_Key, frozenset[str]],
) -> None:
    """Note what left: files that no row knows, and that files were written of which the rows know only the batch."""
    for (bank_code, message_id), sendings in left.items():
        last = sendings[-1]
        if (bank_code, message_id) in references:
            first_left = last._replace(left_at=sendings[0].left_at)
            lost_files.insert_lost_file(connection, first_left, references[bank_code, message_id], now)
            continue
        one = batches.find_by_message_id(connection, bank_code, message_id)
        if one is None:
            continue  # noted by a run before
        file = bank_files.find_file(connection, one.id)
        if file is None:
            first = sendings[0].left_at
            bank_files.insert_file(connection, one, last.name, last.sha256, last.size, last.written_by, first)
        elif file.sha256 != last.sha256:
            raise DoesNotReconcile(
                "lost_file_differs", f"The file of {message_id} that left is not the one that the database knows."
            )


def _dissolve(
    connection: Connection, now: datetime, left: dict[_Key, list[Sending]], references: dict[_Key, frozenset[str]]
) -> dict[str, str]:
    """Dissolve what had been dissolved when the lost files were written. Returns MsgId -> since when it is."""
    found = {}
    for one, since in lost_files.find_written_again(
        connection, [(left[key][0], held) for key, held in references.items()]
    ):
        sendings = left.get((one.bank_code, one.message_id), [])
        lost_files.dissolve_as_it_was(connection, one, sendings, since, now, VERB)
        found[one.message_id] = instant_text(since)
    return found


def _put_in_question(
    connection: Connection, now: datetime, left: dict[_Key, list[Sending]], *, is_all: bool
) -> tuple[str, ...]:
    """Every written batch that may have left since, or have been about to."""
    found = []
    for one in batches.list_of_state(connection, BatchState.SEALED, BatchState.SENDING):
        if bank_files.find_file(connection, one.id) is not None:
            sendings = left.get((one.bank_code, one.message_id), [])
            lost_files.put_in_question(connection, one, sendings, now, is_all=is_all)
            found.append(one.message_id)
    return tuple(found)


def _settle(
    connection: Connection, now: datetime, actor: Officer, by_hand: Sequence[str], sealer: Sealer | None
) -> tuple[str, ...]:
    for message_id in by_hand:
        files = [one for one in lost_files.open_files(connection) if one.sending.message_id == message_id]
        if not files:
            raise NotFound("lost_file_unknown", f"There is no open lost file {message_id}.")
        for one in files:
            lost_files.settle(connection, one, actor.officer_id, now)
            if sealer is not None:
                others = [other.references for other in lost_files.open_files(connection)]
                answered_files.burn_what_waits(
                    connection, one.id, sealer.reference_key, besides=frozenset().union(*others)
                )
    return tuple(by_hand)
