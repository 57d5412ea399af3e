"""The equations that hold at any moment in books that lost nothing and paid nothing twice."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

#: Differences of one equation that are named one by one.
MOST_NAMED = 100


class Equation(StrEnum):
    """One thing said in two places; `MEANING` says it in words."""

    TRAIL = "trail"
    TRANSACTIONS = "transactions"
    ACCOUNTS = "accounts"
    PLANS = "plans"
    APPROVALS = "approvals"
    BATCHES = "batches"
    BOOKINGS = "bookings"
    STATEMENTS = "statements"
    BALANCES = "balances"
    RESUBMISSIONS = "resubmissions"
    WITHDRAWALS = "withdrawals"
    STATES = "states"
    ATTEMPTS = "attempts"
    CLAIMS = "claims"
    DISCREPANCIES = "discrepancies"
    INBOUND_FILES = "inbound-files"
    LETTERS = "letters"
    SENT_FILES = "sent-files"
    RETURNED_FILES = "returned-files"
    STATUS_FILES = "status-files"
    LETTER_SCANS = "letter-scans"


MEANING = {
    Equation.TRAIL: "every event of the audit trail follows from the one before it",
    Equation.TRANSACTIONS: "the postings of every ledger transaction sum to zero",
    Equation.ACCOUNTS: "every ledger account holds what payments, deposits and statement lines say",
    Equation.PLANS: "every planned line has its payment over its amount, and no other line has one",
    Equation.APPROVALS: "what was submitted, and is approved or sent, is what the rows say today",
    Equation.BATCHES: "a batch and its file hold as many payments and đồng as are in it",
    Equation.BOOKINGS: "a payment is booked as often, and over as much, as statement lines say",
    Equation.STATEMENTS: "a statement has the lines and the sums that it says",
    Equation.BALANCES: "a statement opens with the balance with which the one before it closed",
    Equation.RESUBMISSIONS: "what left is free again by two officers on a bank's word; nobody is paid twice unnoted",
    Equation.WITHDRAWALS: "what was withdrawn and which cycles were closed is what the trail and the ledger tell",
    Equation.STATES: "a payment and its batch are where all that was sent, said and booked puts them",
    Equation.ATTEMPTS: "every try at handing a file over is kept, and ended as the trail tells",
    Equation.CLAIMS: "every line of a plan carries the months that it is over, and a planned one holds them",
    Equation.DISCREPANCIES: "what does not agree in statements and status files is noted, and nothing else is",
    Equation.INBOUND_FILES: "what was decided about a bank's file is what the trail tells",
    Equation.LETTERS: "a bank's letter is what one officer recorded and another approved, and the file that it says",
    Equation.SENT_FILES: "the kept bytes of a bank file order the payments of its batch",
    Equation.RETURNED_FILES: "the kept bytes of a bank's statement say what its lines say",
    Equation.STATUS_FILES: "the kept bytes of a bank's status file say what its rows say",
    Equation.LETTER_SCANS: "the scan of every letter is kept as it was recorded",
}


#: Those for which the kept bytes are read.
OF_FILES = (Equation.SENT_FILES, Equation.RETURNED_FILES, Equation.STATUS_FILES, Equation.LETTER_SCANS)


class Difference(NamedTuple):
    """Where an equation does not hold. `subject` names the thing, without personal data; the other
    two are what one side and the other says, đồng as whole numbers."""

    equation: Equation
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.equation}: {self.subject}: expected {self.expected}, found {self.found}"


class Examined(NamedTuple):
    """What became of one equation: of how many things it was asked, and where it does not hold."""

    equation: Equation
    things: int
    differences: tuple[Difference, ...]
