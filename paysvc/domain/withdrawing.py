"""When a payment may be withdrawn: only while nothing that could reach a bank was ever written of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from paysvc.domain.canonical import canonical_json
from paysvc.domain.instructions import BatchState, InstructionState

#: States of which it is known what became of the payment; a cycle is closed when all of its own are there.
ENDED = frozenset(
    {
        InstructionState.SETTLED,
        InstructionState.REJECTED,
        InstructionState.RETURNED,
        InstructionState.CANCELLED,
    }
)

#: Batches that are on their way still, or have not begun it.
OPEN_BATCHES = (BatchState.SEALED, BatchState.SENDING, BatchState.UNKNOWN)


class Objection(StrEnum):
    """Why a payment may not be withdrawn; `WORDS` says it in words."""

    IN_LOST_FILE = "in_lost_file"
    WRITTEN = "written"


WORDS = {
    Objection.IN_LOST_FILE: "it stands in a file that left before the database was restored",
    Objection.WRITTEN: "a bank file with it was written; what becomes of it, only its bank can say",
}


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment as it stands now. Amount in đồng; `batch_id` and `batch_state` are None outside a batch.

    `is_written`: there is a bank file of its batch, or of one that held it and was dissolved. `is_lost`: its id
    is in a file that the rows did not know.
    """

    instruction_id: int
    entitlement_id: int
    end_to_end_id: str
    amount_vnd: int
    fund_code: str
    state: InstructionState
    batch_id: int | None
    batch_state: BatchState | None
    is_written: bool
    is_lost: bool

    @property
    def is_withdrawn(self) -> bool:
        return self.state is InstructionState.CANCELLED

    def objection(self) -> Objection | None:
        """What forbids to withdraw it, or None."""
        if self.is_lost:
            return Objection.IN_LOST_FILE
        if self.is_written:
            return Objection.WRITTEN
        if self.batch_id is None:
            return None if self.state is InstructionState.PLANNED else Objection.WRITTEN
        waits = self.state is InstructionState.BATCHED and self.batch_state is BatchState.SEALED
        return None if waits else Objection.WRITTEN


def content_sha256(payments: Iterable[tuple[str, int]]) -> bytes:
    """The digest of (EndToEndId, đồng) by which the trail names payments that were withdrawn together."""
    listed = [{"end_to_end_id": name, "amount_vnd": str(amount)} for name, amount in sorted(payments)]
    return hashlib.sha256(canonical_json(listed)).digest()
