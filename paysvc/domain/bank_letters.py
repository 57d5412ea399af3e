"""A bank's word on paper: what two officers record of it, and the file that it becomes.

A letter says one thing of whole files of ours or of single payments. Approved, it is a file in a
dialect of this program (`FORMAT`), canonical JSON, that counts as a file of its bank. The reader
is `core.scan_letter`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Self

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import InvalidInput

FORMAT = "paysvc bank letter 1"
#: With these bytes a file of this dialect begins, and no other.
BEGINS_WITH = b'{"bank_letter":{'
#: The kind of an inbound file in it.
KIND = "letter"

#: A paper of some pages in colour.
MAX_SCAN_BYTES = 32 << 20
#: Names in one letter; who has more asks the bank for a file.
MAX_NAMES = 10_000
_LONGEST_NUMBER, _LONGEST_NAME = 80, 35


class Says(StrEnum):
    """What a letter says of all that it names."""

    #: The bank has the file. Of whole files only; says nothing of who was paid.
    RECEIVED = "received"
    #: The bank executed it. Only a statement shows that money moved.
    MADE = "made"
    #: The bank did not execute it, and will not.
    NOT_MADE = "not_made"


class About(StrEnum):
    """What the names in a letter are."""

    #: Files of ours, by message id.
    FILES = "files"
    #: Payments, by EndToEndId.
    PAYMENTS = "payments"


@dataclass(frozen=True, slots=True)
class Named:
    """One name in a letter as an officer gave it; `place` is where (`payments.csv, row 3`)."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class LetterContent:
    """All that is recorded of a letter; `names` are sorted and each stands once, `scan_size` is in bytes."""

    bank_code: str
    number: str
    dated: date
    scan_sha256: bytes
    scan_size: int
    says: Says
    about: About
    names: tuple[str, ...]
    maker: str

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; what else is there is passed over. Raises ValueError, KeyError or TypeError."""
        return cls(
            bank_code=said["bank"],
            number=said["number"],
            dated=date.fromisoformat(said["dated"]),
            scan_sha256=bytes.fromhex(said["scan"]["sha256"]),
            scan_size=said["scan"]["size"],
            says=Says(said["says"]),
            about=About(said["about"]),
            names=tuple(said["names"]),
            maker=said["maker"],
        )

    def to_json(self) -> dict[str, object]:
        """What is kept, and what an approval binds to."""
        return {
            "about": self.about.value,
            "bank": self.bank_code,
            "dated": self.dated.isoformat(),
            "format": FORMAT,
            "maker": self.maker,
            "names": list(self.names),
            "number": self.number,
            "says": self.says.value,
            "scan": {"sha256": self.scan_sha256.hex(), "size": self.scan_size},
        }

    @property
    def text(self) -> str:
        return canonical_json(self.to_json()).decode()

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(canonical_json(self.to_json())).digest()


@dataclass(frozen=True, slots=True)
class ApprovedLetter:
    """A letter with its number here, and who approved it when."""

    id: int
    content: LetterContent
    approver: str
    approved_at: datetime

    @property
    def file_name(self) -> str:
        return f"letter-{self.id}.json"

    @property
    def file(self) -> bytes:
        """The bytes that count as a file of the bank."""
        at = self.approved_at.astimezone(UTC).isoformat()
        from_here = {"id": self.id, "approver": self.approver, "approved_at": at}
        return canonical_json({"bank_letter": {**self.content.to_json(), **from_here}})


def require_fit(number: str, dated: date, today: date, scan_size: int, says: Says, about: About) -> None:
    """Raise `InvalidInput` for what no letter of a bank can say; `today` is the day in Vietnam."""
    if not 1 <= len(number) <= _LONGEST_NUMBER or number != number.strip() or not number.isprintable():
        raise InvalidInput(
            "letter_number_malformed", f"The letter's number has 1 to {_LONGEST_NUMBER} characters on one line."
        )
    if dated > today:
        raise InvalidInput("letter_of_tomorrow", "The letter is dated in the future.", place=dated.isoformat())
    if not 1 <= scan_size <= MAX_SCAN_BYTES:
        raise InvalidInput(
            "scan_size", f"The scan of the letter has 1 byte to {MAX_SCAN_BYTES >> 20} MB.", place=f"{scan_size} bytes"
        )
    if says is Says.RECEIVED and about is About.PAYMENTS:
        raise InvalidInput(
            "received_of_payments",
            "That a bank received something is said of whole files.",
            next_step="Name the file (--message-id), or say made or not_made of the payments.",
        )


def names_of(named: Sequence[Named]) -> tuple[str, ...]:
    """The names, sorted and each once. Raises `InvalidInput` naming the place of one that none can be."""
    if not named:
        raise InvalidInput("letter_names_nothing", "A letter names at least one file or one payment.")
    if len(named) > MAX_NAMES:
        raise InvalidInput("letter_names_too_many", f"A letter names at most {MAX_NAMES} files or payments.")
    for one in named:
        if not (1 <= len(one.name) <= _LONGEST_NAME and one.name.isascii() and one.name.isprintable()):
            raise InvalidInput("letter_name_malformed", "This is no message id and no EndToEndId.", place=one.place)
    return tuple(sorted({one.name for one in named}))


class Objection(StrEnum):
    """Why a letter cannot speak of something that it names; `WORDS` says it in words."""

    UNKNOWN = "letter_names_unknown"
    NOT_SENT = "letter_names_unsent"
    LEFT_LATER = "letter_before_file"
    BOOKED = "letter_against_statement"


WORDS = {
    Objection.UNKNOWN: "this bank was never told of it",
    Objection.NOT_SENT: "it has not left for the bank, or is leaving now",
    Objection.LEFT_LATER: "it left after the letter was written, so the letter cannot know of it",
    Objection.BOOKED: "a statement of the bank has something booked under it, which says more than a letter",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known now of something that a letter names.

    `is_out`: the bank has it or may have it. `left_at`: when bytes of it may have left for the last time.
    `is_booked`: a statement booked something under it, or under a payment of it.
    """

    name: str
    is_out: bool
    left_at: datetime | None
    left_on: date | None
    is_booked: bool

    def objection(self, says: Says, dated: date, recorded_at: datetime | None) -> Objection | None:
        """What stands against the letter's speaking of it, or None. `recorded_at` once it was recorded: what
        left after that the paper cannot mean."""
        if not self.is_out:
            return Objection.NOT_SENT
        if self.left_on is not None and self.left_on > dated:
            return Objection.LEFT_LATER
        if self.left_at is not None and recorded_at is not None and self.left_at > recorded_at:
            return Objection.LEFT_LATER
        return Objection.BOOKED if says is Says.NOT_MADE and self.is_booked else None
