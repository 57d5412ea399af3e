"""When a payment may be made again: only one that the bank is proved not to have made (safety rule 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from paysvc.domain.canonical import canonical_json
from paysvc.domain.instructions import InstructionState

#: The states that say, on the bank's word, that nobody has the money.
UNPAID = (InstructionState.REJECTED, InstructionState.RETURNED)


class Objection(StrEnum):
    """Why a payment may not be made again now; `WORDS` says it in words."""

    NOT_UNPAID = "not_unpaid"
    SAID_OTHERWISE = "said_otherwise"
    CONTRADICTED = "contradicted"
    PAID_OTHERWISE = "paid_otherwise"
    NO_EVIDENCE = "no_evidence"


WORDS = {
    Objection.NOT_UNPAID: "the bank has not said that it was refused or has come back, or its bookings are not zero",
    Objection.SAID_OTHERWISE: "the bank has said more about it since it was proposed",
    Objection.CONTRADICTED: "a discrepancy about it is open",
    Objection.PAID_OTHERWISE: "another payment of the same dues is planned, on its way or made",
    Objection.NO_EVIDENCE: "no word of the bank about it is kept that proves it",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The bank's word, by its rows: one refusing status, one booked credit, or the refusal of a whole batch."""

    status_file_id: int | None = None
    status_position: int | None = None
    statement_id: int | None = None
    line_position: int | None = None
    refused_batch_id: int | None = None

    def __str__(self) -> str:
        if self.status_file_id is not None:
            return f"status:{self.status_file_id}:{self.status_position}"
        if self.statement_id is not None:
            return f"line:{self.statement_id}:{self.line_position}"
        return f"batch:{self.refused_batch_id}"


@dataclass(frozen=True, slots=True)
class JudgedPayment:
    """What is known now of a payment that may have to be made again. Amounts in đồng.

    `is_contradicted`: an open discrepancy says that sums do not tell what happened to it.
    `is_paid_otherwise`: another payment that carries the same dues is live.
    """

    instruction_id: int
    end_to_end_id: str
    amount_vnd: int
    state: InstructionState
    debited_vnd: int
    credited_vnd: int
    reason_code: str
    is_contradicted: bool
    is_paid_otherwise: bool
    evidence: Evidence | None

    def objection(self) -> Objection | None:
        """What stands against paying it again now, or None."""
        if self.state not in UNPAID or self.debited_vnd != self.credited_vnd:
            return Objection.NOT_UNPAID
        if self.is_contradicted:
            return Objection.CONTRADICTED
        if self.is_paid_otherwise:
            return Objection.PAID_OTHERWISE
        return Objection.NO_EVIDENCE if self.evidence is None else None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed re-submission: what its maker saw, on which evidence, and who it was."""

    id: int
    instruction_id: int
    end_to_end_id: str
    amount_vnd: int
    state: InstructionState
    reason_code: str
    evidence: Evidence
    proposed_by: str

    def objection(self, now: JudgedPayment) -> Objection | None:
        """What stands against approving it, given what is known now."""
        found = now.objection()
        if found is None and now.state is not self.state:
            return Objection.SAID_OTHERWISE
        return found


def content_sha256(proposals: Iterable[Proposal]) -> bytes:
    """What an approval of these proposals binds to: the digest of what each says, in the order of their ids."""
    said = [
        [one.end_to_end_id, str(one.amount_vnd), one.state.value, one.reason_code, str(one.evidence), one.proposed_by]
        for one in sorted(proposals, key=lambda one: one.end_to_end_id)
    ]
    return hashlib.sha256(canonical_json({"resubmit": said})).digest()
