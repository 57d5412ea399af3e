"""Which statement of a bank is missing: a day that should be in one and is in none.

Nothing is taken for failed because a statement does not come (crash point C23); somebody is told
to ask for it. Whether the bank sends status files makes no difference: only a statement shows
that money moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from paysvc.domain.errors import Waiting
from paysvc.domain.payment_dates import WorkingCalendar, next_working_day, previous_working_day

#: How many banking days may pass without the statement that has to come.
PATIENCE_DAYS = 2


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """An account whose statements are waited for.

    `covered_from` and `covered_to` are the first and the last day of the believed statements, None
    when there is none. `due_from` is the first day on which a payment that is not booked yet should
    have been, None when all are. `waits_later` and `waits_earlier`: a statement has come that does
    not join those believed, after the last or before the first of them.
    """

    covered_from: date | None
    covered_to: date | None
    due_from: date | None
    waits_later: bool
    waits_earlier: bool

    @property
    def is_quiet(self) -> bool:
        """True when no statement is needed: everything is booked, and nothing shows a gap."""
        return self.due_from is None and not self.waits_later and not self.waits_earlier


@dataclass(frozen=True, slots=True)
class MissingStatement:
    """A statement that did not come: of which bank and account (masked), and the first day of which there is none."""

    bank_code: str
    account: str
    day: date


def missing_day(account: WatchedAccount, today: date, calendar: WorkingCalendar) -> date | None:
    """The first banking day that should be in a statement and is in none; None while there is time.

    A gap between two statements that came is missing at once. Otherwise `PATIENCE_DAYS` banking
    days have to be over since the last statement closed (banks give one for each banking day), or
    since a payment was due when no statement ever came.
    """
    if account.waits_later and account.covered_to is not None:
        return next_working_day(account.covered_to + timedelta(days=1), calendar)
    if account.waits_earlier and account.covered_from is not None:
        return previous_working_day(account.covered_from - timedelta(days=1), calendar)
    if account.due_from is None:
        return None
    if account.covered_to is not None:
        since = account.covered_to
        missing = next_working_day(since + timedelta(days=1), calendar)
    else:
        since = missing = next_working_day(account.due_from, calendar)
    for _ in range(PATIENCE_DAYS):
        since = next_working_day(since + timedelta(days=1), calendar)
    return missing if today > since else None


def says_missing(one: MissingStatement) -> Waiting:
    """That a statement did not come, for a person who asks the bank for it."""
    return Waiting(
        "statement_missing",
        f"Bank {one.bank_code} has given no statement of account {one.account} for {one.day.isoformat()}.",
        next_step="Ask the bank for its statements from that day on; nothing is taken for paid or for failed.",
    )
