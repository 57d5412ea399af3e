"""Statements of one account follow one another without a gap, or they are not believed.

The closing balance of each is the opening balance of the next, and the bank's running
number rises by one (from 1 again in a new year, as some banks do). The account may have
lived before its first statement reached us, so the chain may also grow at its old end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Link:
    """What continuity needs of a statement. Balances in đồng."""

    sequence: int | None
    to_date: date | None
    opening_vnd: int
    closing_vnd: int

    @property
    def order(self) -> tuple[date, int]:
        return (self.to_date or date.min, self.sequence or 0)


class Fit(StrEnum):
    """How a statement goes with the chain of those believed before it."""

    FITS = "fits"
    #: Another statement has to come first: wait.
    GAP = "statement_missing"
    #: It contradicts a neighbour: refuse.
    OPENING_DIFFERS = "opening_differs"
    CLOSING_DIFFERS = "closing_differs"
    NUMBER_USED = "number_used"


def fit(chain: Sequence[Link], new: Link) -> Fit:
    """Whether `new` goes at either end of `chain` (any order), or waits, or contradicts it."""
    if not chain:
        return Fit.FITS
    first, last = min(chain, key=lambda link: link.order), max(chain, key=lambda link: link.order)
    if new.sequence is None or first.sequence is None or last.sequence is None:
        return _fit_by_balance(first, last, new)
    if new.sequence == last.sequence + 1:
        return Fit.FITS if new.opening_vnd == last.closing_vnd else Fit.OPENING_DIFFERS
    if new.sequence == first.sequence - 1:
        return Fit.FITS if new.closing_vnd == first.opening_vnd else Fit.CLOSING_DIFFERS
    if _is_new_year(last, new) and new.opening_vnd == last.closing_vnd:
        return Fit.FITS
    if _is_new_year(new, first) and new.closing_vnd == first.opening_vnd:
        return Fit.FITS
    if any(new.sequence == link.sequence and _same_year(link, new) for link in chain):
        return Fit.NUMBER_USED
    return Fit.GAP


def _fit_by_balance(first: Link, last: Link, new: Link) -> Fit:
    """Without running numbers a balance that does not join may only mean a missing day."""
    if new.opening_vnd == last.closing_vnd or new.closing_vnd == first.opening_vnd:
        return Fit.FITS
    return Fit.GAP


def _is_new_year(before: Link, after: Link) -> bool:
    """True when `after` is the first statement of a later year than that of `before`."""
    if after.sequence != 1 or before.to_date is None or after.to_date is None:
        return False
    return before.to_date.year < after.to_date.year


def _same_year(one: Link, other: Link) -> bool:
    return one.to_date is None or other.to_date is None or one.to_date.year == other.to_date.year
