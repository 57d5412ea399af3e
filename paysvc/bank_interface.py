"""What any bank must be able to do for us, and the three ways in which sending may fail.

An adapter is two things. The pure half translates: `encode` a batch into the exact bytes of
the bank's dialect, `parse_returns` the bank's bytes into columns. The
door carries: `send`, `enquire`, `fetch`. Everything that all banks share (when to retry,
what is a duplicate, what is believed) is written once above the adapters and not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from paysvc.core.columns import SentColumns
from paysvc.core.messages import BankReturns, ControlTotals, Debtor, PaymentBatch, RecallRequest


class Channel(StrEnum):
    """How money reaches a person."""

    ACCOUNT = "account"
    CASH = "cash"


class DuplicateKey(StrEnum):
    """By what a bank recognises that it already has something."""

    NONE = "none"
    MESSAGE_ID = "message_id"
    END_TO_END_ID = "end_to_end_id"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the bank behind an adapter promises; services decide by these facts alone.

    `duplicate_days` is how long the bank remembers its duplicate key: past that there is no
    automatic retry. `cut_off_hour` is the hour of the day (Asia/Ho_Chi_Minh) after which a
    file counts for the next working day. Limits are per file.
    """

    channel: Channel
    duplicate_key: DuplicateKey
    duplicate_days: int
    can_enquire: bool
    max_payments: int
    max_amount_vnd: int
    cut_off_hour: int = 16
    #: Longest payee name the bank's field holds; longer names are cut, and the cut recorded.
    name_length: int = 70


@dataclass(frozen=True, slots=True)
class BankFile:
    """The exact bytes that leave for a bank, under the name by which the bank will know them."""

    name: str
    content: bytes = field(repr=False)  # it names people and accounts
    message_id: str
    totals: ControlTotals


class SendState(StrEnum):
    """What an enquiry can find out about a file."""

    RECEIVED = "received"
    REFUSED = "refused"
    NOT_RECEIVED = "not_received"
    STILL_UNKNOWN = "still_unknown"


@dataclass(frozen=True, slots=True)
class Enquiry:
    """The bank's answer to "do you have this file?"."""

    state: SendState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file that a bank put out for us. `name` is the bank's, kept but never trusted."""

    name: str
    # It names people, and `asyncio.run` words the result of what it ran, whatever its size.
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SeenFile:
    """What we have of a file that a bank put out: the number of its bytes, and their SHA-256."""

    size: int
    sha256: bytes


#: The files of a bank that we have, by the name under which it put them out; the last bytes of each.
SeenFiles = Mapping[str, SeenFile]


class BankUnreachable(Exception):
    """Nothing left us: not one byte of the file reached the bank. It may be sent again."""


class BankRefused(Exception):
    """The bank answered, and the answer was no. `code` is the bank's, or an ISO reason code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(Exception):
    """The bank may have it. Ask; never send anew. Any unforeseen exception counts as this."""


@runtime_checkable
class BankAdapter(Protocol):
    """A bank, as the services see it. One instance serves one configured bank.

    The class is found by entry point (`paysvc.bank_adapters`) and made with
    `adapter_class(bank_code, options)`, where `options` are the bank's settings as text;
    a missing or unusable option raises ValueError naming it.
    """

    #: The name of the dialect, as registered.
    dialect: str
    capabilities: Capabilities

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None: ...

    def encode(self, batch: PaymentBatch) -> BankFile:
        """The batch in the bank's dialect; pure and deterministic.

        Raises `EncodingImpossible` naming the rows that the dialect cannot carry.
        """
        ...

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        """What the bank's file says. Raises `FileRefused` (with code and place) for bytes that
        are not a whole, legal file of this bank; never another exception."""
        ...

    def send(self, file: BankFile) -> str:
        """Hand the file over; return the bank's receipt (free text, stored).

        Raises `BankUnreachable`, `BankRefused` or `OutcomeUnknown`.
        """
        ...

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        """Ask whether the bank has the file; safe to repeat."""
        ...

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        """Files the bank has put out and we have not, oldest first.

        Those whose names are not in `seen`, and those that are no longer what `seen` says, as far
        as the bank's list tells (by size, by digest): it put a corrected file out under the same
        name. Fetching never removes anything at the bank. Raises `BankUnreachable`.
        """
        ...


@runtime_checkable
class RecallsPayments(Protocol):
    """What an adapter may be able to do besides: ask its bank to take a payment back.

    Of a bank whose adapter cannot, a person asks. The answer comes with `parse_returns`, as a file
    of kind `recall`; the money comes back in a statement, under the payment's own EndToEndId.
    """

    def encode_recall(self, request: RecallRequest) -> BankFile:
        """The request in the bank's dialect; pure and deterministic. `message_id` of the file is the
        `case_id`. Raises ValueError for what the dialect cannot say."""
        ...


@runtime_checkable
class ReadsPayments(Protocol):
    """What an adapter may be able to do besides: read the files that it wrote.

    By that the kept bytes are held against the payments of their batch (`paysvc check`). Of a dialect
    whose adapter cannot, only the EndToEndIds are looked for in the bytes, and no amount.
    """

    def read_payments(self, content: bytes) -> SentColumns:
        """What a file of `encode` orders, in the order of the file. Raises `FileRefused` for other bytes."""
        ...


@dataclass(frozen=True, slots=True)
class EncodingProblem:
    """One payment that a dialect cannot carry; `position` counts from 0 in the batch."""

    position: int
    field: str
    message: str


class EncodingImpossible(Exception):
    """The dialect cannot carry some payments; none was written."""

    def __init__(self, problems: list[EncodingProblem]) -> None:
        super().__init__(f"{len(problems)} payment(s) cannot be written in this dialect")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class BankSettings:
    """One configured bank, as the settings file names it.

    `serves_bins` are the bank BINs whose accounts are paid through this bank; a bank with
    `is_default_route` serves all BINs that no other bank names.
    """

    code: str
    name: str
    adapter: str
    debtor: Debtor
    serves_bins: frozenset[str]
    is_default_route: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
