"""What a run of submit-batches tells: where each batch stands, who could not be paid, what is waited for."""

from __future__ import annotations

from dataclasses import dataclass

from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import PaysvcError
from paysvc.domain.instructions import BatchState


@dataclass(frozen=True, slots=True)
class Unpayable:
    """One payment that no file could take as it is; it stays where it was and is named here."""

    end_to_end_id: str
    bank_code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Where one batch stands now. `is_written` says whether its bytes exist. Amounts in đồng."""

    bank_code: str
    part: int
    message_id: str
    count: int
    sum_vnd: int
    state: BatchState
    is_written: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """What a run of submit-batches leaves behind.

    `waiting` says, batch by batch, what has to come first: a bank that can be reached, a
    bank's answer, a person. Nothing in it is lost; the verb may be run again at any time.
    `names_cut` counts payee names shortened to the bank's field in files written by this run.
    """

    cycle_code: str
    batches: tuple[BatchReport, ...]
    unpayable: tuple[Unpayable, ...]
    waiting: tuple[PaysvcError, ...]
    names_cut: int

    def totals(self, state: BatchState) -> Figure:
        """How many payments, and how many đồng, are in batches of this state."""
        chosen = [one for one in self.batches if one.state is state]
        return Figure(sum(one.count for one in chosen), sum(one.sum_vnd for one in chosen))

    @property
    def is_complete(self) -> bool:
        """True when nothing is left for a further run to do."""
        return not self.waiting and not self.unpayable
