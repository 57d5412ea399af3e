"""What taking a bank's file into the store gives back, and how it says "not yet"."""

from __future__ import annotations

from dataclasses import dataclass


class MustWait(Exception):
    """The file cannot be taken before another one came; `code` and `reason` say which."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file brought. Amounts in đồng, over booked lines of statements that were new.

    `is_repetition` is True when everything in the file had been said before.
    """

    is_repetition: bool = False
    statements: int = 0
    lines: int = 0
    debits_vnd: int = 0
    credits_vnd: int = 0
    statuses: int = 0
    unknown_references: int = 0
    discrepancies: int = 0

    def figures(self) -> dict[str, object]:
        """For the audit trail: numbers only, large ones as text."""
        return {
            "statements": self.statements,
            "lines": self.lines,
            "debits_vnd": str(self.debits_vnd),
            "credits_vnd": str(self.credits_vnd),
            "statuses": self.statuses,
            "unknown_references": self.unknown_references,
            "discrepancies": self.discrepancies,
        }
