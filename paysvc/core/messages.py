"""What one bank file says, whole: the batch that goes out, the returns that come back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from paysvc.core.columns import EntryColumns, StatusColumns
from paysvc.core.order_columns import CollectionColumns, PaymentColumns


@dataclass(frozen=True, slots=True)
class Debtor:
    """The payer: our own account at this bank."""

    name: str
    account: str
    bank_bin: str


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """How many and how much: ISO 20022 NbOfTxs and CtrlSum, in whole đồng."""

    count: int
    sum_vnd: int


@dataclass(frozen=True, slots=True)
class PaymentBatch:
    """One file's worth of payments, complete: the same batch always encodes to the same bytes.

    `created_at` is stored with the batch (aware; it becomes CreDtTm) and is never the time of
    encoding. `purpose` is an ISO 20022 purpose code such as SSBE.
    """

    message_id: str
    created_at: datetime
    value_date: date
    debtor: Debtor
    purpose: str
    payments: PaymentColumns

    @property
    def payment_information_id(self) -> str:
        return f"{self.message_id}-1"

    @property
    def totals(self) -> ControlTotals:
        return ControlTotals(len(self.payments), int(self.payments.amount_vnd.sum()))


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects: a school, a hospital; its account at this bank, and the id under which the bank
    knows it as a collector (1 to 35 characters)."""

    name: str
    account: str
    bank_bin: str
    scheme_id: str


class SequenceType(StrEnum):
    """Where a collection stands under its mandate (ISO 20022 SequenceType3Code)."""

    FIRST = "FRST"
    RECURRING = "RCUR"
    FINAL = "FNAL"
    ONE_OFF = "OOFF"


@dataclass(frozen=True, slots=True)
class CollectionBatch:
    """One file's worth of direct debits, complete, as `PaymentBatch` is of payments.

    The banks are asked to debit on `collection_date`.
    """

    message_id: str
    created_at: datetime
    collection_date: date
    creditor: Creditor
    sequence_type: SequenceType
    collections: CollectionColumns

    @property
    def payment_information_id(self) -> str:
        return f"{self.message_id}-1"

    @property
    def totals(self) -> ControlTotals:
        return ControlTotals(len(self.collections), int(self.collections.amount_vnd.sum()))


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """One payment that a bank is asked to take back, by the file in which it was ordered.

    `case_id` is ours and comes back in the answer (1 to 35 characters); `reason` is an ISO 20022
    ExternalCancellationReason (DUPL, a duplicate payment). Amount in whole đồng.
    """

    case_id: str
    created_at: datetime
    debtor: Debtor
    message_id: str
    message_created_at: datetime
    end_to_end_id: str
    amount_vnd: int
    value_date: date
    reason: str


class RecallOutcome(StrEnum):
    """What a bank answers to a request to take a payment back."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class RecallAnswer:
    """The bank's answer to one request; `code` is its reason (with a refusal), or ""."""

    case_id: str
    outcome: RecallOutcome
    code: str = ""


@dataclass(frozen=True, slots=True)
class StatementProof:
    """What a statement claims about itself, in đồng; None where the format does not say.

    A statement is believed only when opening + booked credits − booked debits = closing, and
    every other claim here that is present holds too.
    """

    opening_vnd: int | None
    closing_vnd: int | None
    entry_count: int | None = None
    entry_sum_vnd: int | None = None
    credit_sum_vnd: int | None = None
    debit_sum_vnd: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One account statement of one bank: its claims and its lines.

    `sequence` is the bank's running number of statements of this account, or None.
    `problems` are structural contradictions found while reading (a batch booking whose
    details do not add up, say), each one sentence; a statement with any is not believed.
    """

    statement_id: str
    account: str
    currency: str
    sequence: int | None
    from_date: date | None
    to_date: date | None
    proof: StatementProof
    entries: EntryColumns
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What a bank says of a whole file, or of one payment block in it.

    `payment_information_id` is None when the whole file is meant.
    """

    message_id: str
    payment_information_id: str | None
    status: str
    reason_code: str
    declared: ControlTotals | None = None


@dataclass(frozen=True, slots=True)
class BankReturns:
    """Everything one inbound file says.

    `kind` is `status`, `statement` or `recall` (or `receipt`, which proves only that a file arrived);
    `bank_message_id` is the bank's own id of the message.
    `answers_message_id` is our MsgId that a status file answers, or "".
    """

    kind: str
    bank_message_id: str
    answers_message_id: str = ""
    statuses: StatusColumns | None = None
    groups: tuple[GroupStatus, ...] = ()
    statements: tuple[Statement, ...] = ()
    recall_answers: tuple[RecallAnswer, ...] = ()
