"""What was done with a database, kept outside it: whoever puts an older one back is found out.

A file of lines (`PAYSVC_WITNESS_FILE`), only ever added to. Each line names an event of the audit
trail that was committed when it was written: before a bank's file or a request to take a payment
back leaves, when a report is published, when a backup is put back and when that was put right. A
database in whose trail the last named event is not, with that hash, is older than what was done
with it, or another one. docs/decisions/0017.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import Connection

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import Waiting
from paysvc.durable import sync_folder
from paysvc.failpoints import reach
from paysvc.store import audit_trail
from paysvc.store.tables import instant_text, read_instant


class Doubt(StrEnum):
    """Why a database is not to be written to; the value is the code that people see."""

    RESTORED = "database_restored"
    OLDER = "database_older"
    FORKED = "database_forked"
    MISSING = "witness_missing"
    DAMAGED = "witness_damaged"


_WHY = {
    Doubt.RESTORED: "The database was restored from a backup, and what was sent since is not accounted for yet",
    Doubt.OLDER: "The database is older than what was done with it: the journal of sendings names an event it lacks",
    Doubt.FORKED: "The database has another past than the journal of sendings: an event in it is not the one named",
    Doubt.MISSING: "The journal of sendings is gone, and the database is not new",
    Doubt.DAMAGED: "The journal of sendings cannot be read",
}


class Sending(NamedTuple):
    """One try at handing a file over, as noted before its first byte left."""

    bank_code: str
    cycle_code: str
    message_id: str
    name: str
    sha256: bytes
    size: int
    #: Number of the attempt, from 1.
    attempt: int
    written_by: str
    left_at: datetime


class Requested(NamedTuple):
    """The bytes in which a bank was asked to take a payment back, as noted before they left."""

    bank_code: str
    case_id: str
    name: str
    sha256: bytes
    size: int
    written_by: str


class Reported(NamedTuple):
    """The number of a report, as noted before anybody could see it."""

    number: str


class _Head(NamedTuple):
    event: int
    hash: bytes


_NOTHING_YET = _Head(0, audit_trail.GENESIS)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the lines say, taken together."""

    head: _Head = _NOTHING_YET
    sendings: tuple[Sending, ...] = ()
    requests: tuple[Requested, ...] = ()
    #: Of the manifest of the backup that was put back and not accounted for since.
    restored: bytes | None = None
    is_damaged: bool = False
    #: Whether every sending there was since the beginning, or the last recovery, is in it.
    is_whole: bool = False


class Witness:
    """The journal of one installation. Several processes may add to it at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._read: tuple[tuple[int, ...], _Said] | None = None

    def doubt(self, connection: Connection) -> Doubt | None:
        """Why this database must not be written to, or None. Raises OSError when the journal cannot be opened."""
        said = self._said()
        if said is None:
            is_new = audit_trail.head(connection)[0] == 0
            return None if is_new else Doubt.MISSING
        if said.is_damaged:
            return Doubt.DAMAGED
        if said.restored is not None:
            return Doubt.RESTORED
        if said.head.event == 0:
            return None
        found = audit_trail.hash_of(connection, said.head.event)
        if found is None:
            return Doubt.OLDER
        return None if found == said.head.hash else Doubt.FORKED

    def require_trust(self, connection: Connection) -> None:
        """Raise `Waiting` while there is a doubt."""
        doubt = self.doubt(connection)
        if doubt is not None:
            raise Waiting(
                doubt.value,
                f"{_WHY[doubt]}; it can only be read.",
                next_step="Send and change nothing another way. An administrator and an approver run: paysvc recover.",
            )

    def require_trust_or_begin(self, connection: Connection) -> None:
        """As `require_trust`, for a transaction that will write; the journal of a new database begins with it."""
        self.require_trust(connection)
        if self._said() is None:
            # Before the first event is committed: after it, a journal that is not there is one that was lost.
            self._add({"what": "begun"}, _NOTHING_YET)

    @property
    def is_whole(self) -> bool:
        """Whether every sending since the beginning, or since the last recovery, is known to be in it."""
        said = self._said()
        return said is not None and said.is_whole and not said.is_damaged

    @property
    def restored(self) -> bytes | None:
        """The digest of the manifest of the backup that was put back last, until that was recovered from."""
        said = self._said()
        return None if said is None else said.restored

    def sendings(self) -> tuple[Sending, ...]:
        """All that were ever noted, in order."""
        said = self._said()
        return () if said is None else said.sendings

    def find_request(self, bank_code: str, case_id: str) -> Requested | None:
        """The bytes in which this bank was asked under this case id, or None."""
        said = self._said()
        found = [] if said is None else [one for one in said.requests if one[:2] == (bank_code, case_id)]
        return found[0] if found else None

    def note(self, leaving: Sending | Requested | Reported, head: tuple[int, bytes]) -> None:
        """Note what is about to leave; on disk when this returns. `head` is that of the trail, and committed.

        A request that was lost is made again in the same bytes; a database without a report that was
        seen is not taken for the one the report speaks of.
        """
        match leaving:
            case Sending():
                self._add({"what": "sending", **_written(leaving)}, head)
            case Requested():
                self._add({"what": "request", **leaving._asdict(), "sha256": leaving.sha256.hex()}, head)
            case Reported():
                self._add({"what": "report", **leaving._asdict()}, head)

    def note_restored(self, manifest_sha256: bytes) -> None:
        """Note, before it is there, that a database comes from a backup."""
        self._add({"what": "restored", "manifest_sha256": manifest_sha256.hex()}, _NOTHING_YET)

    def note_recovered(self, head: tuple[int, bytes], sendings: Iterable[Sending] = ()) -> None:
        """Note that everything noted so far is accounted for in the database with this head, and with it the
        `sendings` that the database knows and this journal did not: another one may be older still."""
        self._add({"what": "recovered", "sendings": [_written(one) for one in sendings]}, head)

    def _said(self) -> _Said | None:
        """None when there is no journal. Read again only when the file changed."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        mark = (status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            if self._read is None or self._read[0] != mark:
                self._read = mark, _understood(self._path.read_bytes())
            return self._read[1]

    def _add(self, entry: dict[str, object], head: tuple[int, bytes]) -> None:
        line = canonical_json({**entry, "event": head[0], "hash": head[1].hex()}) + b"\n"
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # What a crash left of a line announced nothing: the note had not returned.
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
            reach("noting")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._path.parent)
        reach("noted")


def _understood(content: bytes) -> _Said:
    said = _Said()
    whole, _, _ = content.rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n")):
        try:
            said = _after(said, json.loads(line), is_first=number == 0)
        except (ValueError, KeyError, TypeError):
            said = replace(said, is_damaged=True, is_whole=False)
    return said


def _after(said: _Said, entry: dict[str, Any], *, is_first: bool) -> _Said:
    what, head = entry["what"], _Head(int(entry["event"]), bytes.fromhex(entry["hash"]))
    if what == "begun":
        return replace(said, is_whole=said.is_whole or is_first)
    if what == "restored":
        return replace(said, restored=bytes.fromhex(entry["manifest_sha256"]))
    if what == "recovered":
        found = map(_sending, entry.get("sendings", ()))
        return _Said(head, (*said.sendings, *found), said.requests, is_whole=True)
    # Two processes may add theirs in another order than they committed.
    latest = max(said.head, head, key=lambda one: one.event)
    if what == "sending":
        return replace(said, head=latest, sendings=(*said.sendings, _sending(entry)))
    if what == "request":
        values = {name: entry[name] for name in Requested._fields}
        request = Requested(**{**values, "sha256": bytes.fromhex(entry["sha256"])})
        return replace(said, head=latest, requests=(*said.requests, request))
    if what == "report":
        return replace(said, head=latest)
    raise ValueError(what)


def _written(one: Sending) -> dict[str, object]:
    return {**one._asdict(), "sha256": one.sha256.hex(), "left_at": instant_text(one.left_at)}


def _sending(entry: dict[str, Any]) -> Sending:
    values = {name: entry[name] for name in Sending._fields}
    return Sending(**{**values, "sha256": bytes.fromhex(entry["sha256"]), "left_at": read_instant(entry["left_at"])})
