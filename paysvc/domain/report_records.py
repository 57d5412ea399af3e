"""What a report records beside its lines: files, statements, funds, discrepancies, and the
figures of the second road. Amounts are whole đồng; no record holds personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paysvc.domain.report_figures import Figure
from paysvc.domain.report_lines import csv_bytes

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def _path(way: str, bank: str, sha256: str, name: str) -> str:
    """Under the published folder. Names come from outside, so only plain characters are kept."""
    return f"bank-files/{way}/{_UNSAFE.sub('_', bank)}-{sha256[:12]}-{_UNSAFE.sub('_', name)[-80:]}"


class SentFile(NamedTuple):
    """One file that went, or was to go, to a bank. `sending` as in `report_lines.SENDING`."""

    bank: str
    name: str
    message_id: str
    sha256: str
    size: int
    payment_count: int
    sum_vnd: int
    written_by: str
    sending: str

    @property
    def path(self) -> str:
        """Where its bytes lie in the published folder."""
        return _path("sent", self.bank, self.sha256, self.name)


class ReceivedFile(NamedTuple):
    """One file of a bank. `state` is `accepted`, `quarantined`, `repeated` or `waiting`."""

    bank: str
    name: str
    kind: str
    sha256: str
    size: int
    received_at: str
    state: str
    reason: str

    @property
    def path(self) -> str:
        """Where its bytes lie in the published folder."""
        return _path("received", self.bank, self.sha256, self.name)


class StatementFigures(NamedTuple):
    """A believed account statement, and whose its booked entries are.

    The parts (this cycle's references, other cycles', nobody's, and entries in another
    currency where the bank's totals count them) add up to the statement's own debits and
    credits. Amounts in đồng.
    """

    bank: str
    account: str
    statement_id: str
    sequence: int
    from_date: str
    to_date: str
    file_sha256: str
    opening_vnd: int
    debits_vnd: int
    credits_vnd: int
    closing_vnd: int
    line_count: int
    cycle_debits_vnd: int
    cycle_credits_vnd: int
    other_cycles_debits_vnd: int
    other_cycles_credits_vnd: int
    unmatched_debits_vnd: int
    unmatched_credits_vnd: int
    foreign_debits_vnd: int
    foreign_credits_vnd: int


class FundFigures(NamedTuple):
    """One fund over the time of the report: opening + funded + released − reserved + other =
    closing; the free balance, in đồng. `since` is the moment of `opening_vnd`."""

    fund: str
    since: str
    opening_vnd: int
    funded_vnd: int
    reserved_vnd: int
    released_vnd: int
    other_vnd: int
    closing_vnd: int


class Discrepancy(NamedTuple):
    """What does not agree. `reference` is an EndToEndId of ours or a digest (never a
    stranger's text); `state` is `open` or `resolved`."""

    kind: str
    bank: str
    reference: str
    amount_vnd: int
    file_sha256: str
    state: str


def discrepancies_csv(discrepancies: Iterable[Discrepancy]) -> bytes:
    return csv_bytes(Discrepancy._fields, discrepancies)


class Resubmitted(NamedTuple):
    """That a payment may be made again: on which word of its bank, by which two officers.

    `unpaid` is `rejected` or `returned`, what the word proves; `evidence` is `status` or `statement`
    (the row of that file, from 0) or `file_refused` (the file that we sent, row ""). `state` is
    `proposed`, `approved` or `closed`; `replaced_by` the payments in its place that were approved,
    joined by `;`. `cycle` is that of the payment.
    """

    end_to_end_id: str
    cycle: str
    bank: str
    amount_vnd: int
    unpaid: str
    reason: str
    evidence: str
    evidence_sha256: str
    evidence_row: str
    proposed_by: str
    proposed_at: str
    state: str
    decided_by: str
    decided_at: str
    replaced_by: str


class Recalled(NamedTuple):
    """A payment that its bank was asked to take back, and where that stands.

    `state` is `by_hand` (a person has to ask), `sealed`, `sending`, `unknown`, `sent`, `refused`,
    `accepted`, `declined` or `withdrawn`; `file_sha256` is "" where no file left.
    """

    end_to_end_id: str
    bank: str
    amount_vnd: int
    requested_at: str
    file_sha256: str
    state: str
    answer: str


class Withdrawn(NamedTuple):
    """A payment of the cycle that an approver withdrew before anything of it was written.

    `replaced_by` are the approved payments of later plans that take its place, joined by `;`.
    """

    end_to_end_id: str
    amount_vnd: int
    withdrawn_by: str
    withdrawn_at: str
    replaced_by: str


class BankFigures(NamedTuple):
    """What one bank's files say, computed by the second road. `outcomes` maps each of
    settled, returned, rejected, outstanding and unknown to its figure; amounts in đồng."""

    bank: str
    sent: Figure
    outcomes: Mapping[str, Figure]
    booked_debits_vnd: int
    booked_credits_vnd: int


@dataclass(frozen=True, slots=True)
class SecondRoad:
    """The figures once more, from the stored bytes of the bank files.

    `read_back` maps the SHA-256 of each sent file that was read from its bytes to what it
    holds; the others are in dialects that nobody reads back, and count by their batches. `statements` maps
    (bank, account, statement id) to (opening, debits, credits, closing). `differing_lines`
    are the positions of lines whose outcome differs from the first road's.
    """

    banks: Mapping[str, BankFigures]
    read_back: Mapping[str, Figure]
    statements: Mapping[tuple[str, str, str], tuple[int, int, int, int]]
    differing_lines: Sequence[int]
