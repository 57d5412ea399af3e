"""What a bank says: statuses ranked so that order cannot matter, and reason codes routed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

#: How far each transaction status has come. Merging takes the highest rank, which makes the
#: final state independent of order and repetition. ISO 20022 ExternalPaymentTransactionStatus
#: code set; PDNG and PATC say nothing about progress, so they rank below every step.
STATUS_RANK: dict[str, int] = {
    "": 0,
    "PDNG": 1,
    "PATC": 1,
    "PRES": 1,
    "RCVD": 2,
    "RCVC": 2,
    "ACTC": 3,
    "ACCP": 4,
    "ACWC": 4,
    "ACFC": 5,
    "ACSP": 6,
    "ACPD": 6,
    "ACWP": 7,
    "BLCK": 7,
    "ACSC": 8,
    "ACCC": 9,
    "CPUC": 9,
}

#: Terminal refusals: the bank will not pay this one.
REFUSALS = frozenset({"RJCT", "CANC"})

#: The reason that stands beside a refusal by letter: no code of ISO 20022, so nobody takes it for a bank's.
REASON_LETTER = "LETTER"

#: Accepted so far that a refusal beside it is a contradiction a person must settle.
FINAL_ACCEPTANCES = frozenset({"ACSC", "ACCC", "CPUC"})


class NextStep(StrEnum):
    """What an officer does with a payment that came back, by reason."""

    ASK_FOR_ACCOUNT = "ask_for_account"
    USE_OTHER_ACCOUNT = "use_other_account"
    HOLD = "hold"
    FIX_BANK = "fix_bank"
    MATCH_AGAIN = "match_again"
    STOP_PROGRAMME = "stop_programme"
    INVESTIGATE = "investigate"
    STOP_BATCH = "stop_batch"
    NEXT_CYCLE = "next_cycle"
    ROLL_DATE = "roll_date"
    MANUAL = "manual"


#: ISO 20022 ExternalStatusReason and ExternalReturnReason codes -> what to do. Banks mix the
#: two lists and invent their own, so a code that is not here is `MANUAL`, never an error.
NEXT_STEP: dict[str, NextStep] = {
    "AC01": NextStep.ASK_FOR_ACCOUNT,
    "AC02": NextStep.ASK_FOR_ACCOUNT,
    "AC03": NextStep.ASK_FOR_ACCOUNT,
    "AC04": NextStep.USE_OTHER_ACCOUNT,
    "AC07": NextStep.USE_OTHER_ACCOUNT,
    "AC06": NextStep.HOLD,
    "AC14": NextStep.FIX_BANK,
    "AC15": NextStep.ASK_FOR_ACCOUNT,
    "AG01": NextStep.USE_OTHER_ACCOUNT,
    "AM02": NextStep.FIX_BANK,
    "AM04": NextStep.STOP_BATCH,
    "AM05": NextStep.INVESTIGATE,
    "AM09": NextStep.STOP_BATCH,
    "AM10": NextStep.STOP_BATCH,
    "AM21": NextStep.FIX_BANK,
    "AM23": NextStep.FIX_BANK,
    "BE01": NextStep.MATCH_AGAIN,
    "BE06": NextStep.MATCH_AGAIN,
    "CNOR": NextStep.FIX_BANK,
    "CNPC": NextStep.NEXT_CYCLE,
    "DNOR": NextStep.FIX_BANK,
    "DUPL": NextStep.INVESTIGATE,
    "MD07": NextStep.STOP_PROGRAMME,
    "RC01": NextStep.FIX_BANK,
    "RC03": NextStep.FIX_BANK,
    "RC04": NextStep.FIX_BANK,
    "RC07": NextStep.FIX_BANK,
    "RC08": NextStep.FIX_BANK,
    "RR04": NextStep.HOLD,
    "TM01": NextStep.ROLL_DATE,
}


def next_step(reason_code: str) -> NextStep:
    """What to do with a payment that came back for this reason."""
    return NEXT_STEP.get(reason_code, NextStep.MANUAL)


class LetterWord(StrEnum):
    """What the bank's letters said of one payment, joined: two that contradict leave it open again."""

    NOTHING = ""
    MADE = "made"
    NOT_MADE = "not_made"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class MergedStatus:
    """All that a bank's status reports and letters said of one payment, in whatever order it said it.

    `best` is the highest-ranking acceptance ("" when none), `refused` whether any report
    refused it, `letter` what letters said of it.
    """

    best: str = ""
    refused: bool = False
    letter: LetterWord = LetterWord.NOTHING

    @property
    def is_disputed(self) -> bool:
        """True when the bank both completed and refused it, and no letter is its last word: a person has to ask."""
        return self.refused and self.best in FINAL_ACCEPTANCES and self.letter is not LetterWord.NOT_MADE


def merge_status(before: MergedStatus, status: str) -> MergedStatus:
    """`before` joined with one more report; commutative, associative, idempotent.

    A status that is not in the table ranks 0: stored and shown, without effect.
    """
    if status in REFUSALS:
        return replace(before, refused=True)
    # Equal ranks are ordered by name, so that the join does not depend on who came first.
    candidate = max((STATUS_RANK.get(status, 0), status), (STATUS_RANK.get(before.best, 0), before.best))[1]
    return replace(before, best=candidate if STATUS_RANK.get(candidate, 0) else before.best)


#: The statuses that letters are read as. That the bank has a file says nothing of who was paid.
_BY_LETTER = {"ACSC": LetterWord.MADE, "RJCT": LetterWord.NOT_MADE}


def merge_letter(before: MergedStatus, status: str) -> MergedStatus:
    """`merge_status` with a status that stands in a letter of the bank; as independent of order.

    A letter outweighs what files said (docs/decisions/0023), and only another letter contradicts it.
    """
    said = _BY_LETTER.get(status, LetterWord.NOTHING)
    if said is not before.letter and said is not LetterWord.NOTHING:
        said = said if before.letter is LetterWord.NOTHING else LetterWord.BOTH
        before = replace(before, letter=said)
    return merge_status(before, status)
