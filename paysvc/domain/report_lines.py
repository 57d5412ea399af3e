"""The lines of a report: one per entitlement of the cycle, judged by what banks booked and said.

Amounts are whole đồng. No line holds a name, a personal number or an account number.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from typing import NamedTuple

from paysvc.domain.identifiers import END_TO_END_ID_LENGTH

SETTLED, RETURNED, REJECTED, OUTSTANDING, UNKNOWN = "settled", "returned", "rejected", "outstanding", "unknown"
#: What is not, or not any more, to be paid by this cycle: by the plan, or by an approver's word before it left.
HELD, EXCLUDED, WITHDRAWN = "held", "excluded", "withdrawn"

#: Where money that is due can be; together they are all of it.
OUTCOMES = (SETTLED, RETURNED, REJECTED, OUTSTANDING, UNKNOWN, HELD, EXCLUDED, WITHDRAWN)

#: How far an instruction came on its way to the bank: not handed over, handed over, refused by
#: the bank at its door, or nobody knows; "" where there is no instruction.
NOT_SENT, SENT, REFUSED, SENDING_UNKNOWN = "not_sent", "sent", "refused", "unknown"
SENDING = ("", NOT_SENT, SENT, REFUSED, SENDING_UNKNOWN)

#: ISO 20022 reason of the post office: not collected at the counter.
NOT_COLLECTED = "CNPC"

#: Reason of an instruction whose whole file the bank refused at its door.
FILE_REFUSED = "FILE_REFUSED"

AMOUNT_MISMATCH = "amount_mismatch"
CURRENCY_MISMATCH = "currency_mismatch"
DUPLICATE_SETTLEMENT = "duplicate_settlement"
RETURN_WITHOUT_SETTLEMENT = "return_without_settlement"
UNKNOWN_REFERENCE = "unknown_reference"

SEPARATOR = ";"


class Booked(NamedTuple):
    """What believed statements booked under one reference (booked entries only).

    The counts take every entry; the sums only those in đồng. An entry in another currency
    makes `currency_differs`.
    """

    debit_count: int = 0
    debits_vnd: int = 0
    credit_count: int = 0
    credits_vnd: int = 0
    amount_differs: bool = False
    currency_differs: bool = False
    reason: str = ""
    bank_reference: str = ""


class Said(NamedTuple):
    """What accepted status files said of one payment."""

    refused: bool = False
    reason: str = ""
    bank_reference: str = ""


NOTHING_BOOKED = Booked()


class ReportLine(NamedTuple):
    """One entitlement; the fields in the order of `lines.csv`.

    `end_to_end_id`, `channel`, `bank` and `sending` are "" where nothing was instructed. What was
    withdrawn keeps its `end_to_end_id`: no bank has it, and the payment in its place is another one.
    `message_id` names the bank file, "" where there is none.
    `amount_vnd` is what is due, which is what is instructed. `booked_debits_vnd` and
    `booked_credits_vnd` are what statements booked under the reference.
    """

    line: int
    end_to_end_id: str
    programme: str
    unit: str
    channel: str
    bank: str
    amount_vnd: int
    sending: str
    message_id: str
    booked_debits_vnd: int
    booked_credits_vnd: int
    outcome: str
    reason: str
    bank_reference: str
    discrepancy: str


def judge(sending: str, booked: Booked, said: Said | None) -> tuple[str, str, str]:
    """`(outcome, sending, reason)` of one instruction; the rule is that of `domain.reconciliation`.

    Only booked entries move an outcome: net = debits − credits; settled when net > 0,
    returned when debits are booked and net = 0, rejected when refused and nothing is booked;
    net is over numbers of entries where another currency leaves the sums undecided.
    Any word from the bank proves that it has the payment, whatever sending found out.
    """
    if booked is NOTHING_BOOKED:
        if said is not None:
            return (REJECTED, SENT, said.reason) if said.refused else (OUTSTANDING, SENT, said.reason)
        if sending == REFUSED:
            return REJECTED, REFUSED, FILE_REFUSED
        return (UNKNOWN if sending == SENDING_UNKNOWN else OUTSTANDING), sending, ""
    net = booked.debits_vnd - booked.credits_vnd
    if booked.currency_differs and net <= 0:
        net = booked.debit_count - booked.credit_count
    if net > 0:
        return SETTLED, SENT, ""
    if net == 0 and booked.debit_count:
        return RETURNED, SENT, booked.reason
    return OUTSTANDING, SENT, booked.reason


def discrepancies_of(booked: Booked) -> str:
    """What does not agree under one reference: kinds joined by `;`, "" when all agrees."""
    kinds = []
    more_back_than_out = booked.debit_count and booked.credits_vnd > booked.debits_vnd and not booked.currency_differs
    if booked.amount_differs or more_back_than_out:
        kinds.append(AMOUNT_MISMATCH)
    if booked.currency_differs:
        kinds.append(CURRENCY_MISMATCH)
    if booked.debit_count > 1:
        kinds.append(DUPLICATE_SETTLEMENT)
    if booked.credit_count and not booked.debit_count:
        kinds.append(RETURN_WITHOUT_SETTLEMENT)
    return SEPARATOR.join(kinds)


_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,39}|[0-9]{1,6}")
_LONG_NUMBER = re.compile(r"[0-9]{8}")
_BANK_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _./:-]{0,34}")
_OURS = re.compile(rf"P[0-9A-Z]{{{END_TO_END_ID_LENGTH - 1}}}")


def shown_reason(reason: str) -> str:
    """A reason code as it is; a bank's free text, which may name somebody, as `FREE_TEXT`."""
    if not reason or (_REASON.fullmatch(reason) and not _LONG_NUMBER.search(reason)):
        return reason
    return "FREE_TEXT"


def shown_bank_reference(reference: str) -> str:
    """A bank's booking reference; anything that is not shaped like one only as its digest.

    What is shown never starts like a formula, so a spreadsheet cannot be made to run it.
    """
    return reference if not reference or _BANK_REFERENCE.fullmatch(reference) else _digest(reference)


def shown_reference(reference: str) -> str:
    """An EndToEndId of ours as it is; a stranger's reference only as its digest, because
    banks print names and personal numbers there."""
    return reference if _OURS.fullmatch(reference) else _digest(reference)


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """Comma-separated UTF-8 with `\\n` ends; equal rows give equal bytes everywhere."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return written.getvalue().encode()
