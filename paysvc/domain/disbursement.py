"""Who is paid what in a cycle, through whom, and why not: rules over columns of dues.

A due is what one person is owed by one programme for one period. Each ends in exactly one
line of the plan, and each line is planned, held (reason) or excluded (reason): nobody
vanishes, in people and in đồng.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paysvc.domain.programmes import WithoutAccount

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

PLANNED, HELD, EXCLUDED = 0, 1, 2
DISPOSITIONS = ("planned", "held", "excluded")

#: What an officer held keeps its reason, so that planning again does not pay it.
OFFICER_HELD = "officer:"

#: Nobody is owed anything under this record.
_NOT_DUE = frozenset({"deceased", "same_person"})
#: The person is not who the list says, or that is not known yet: no channel may pay.
_IDENTITY_IN_DOUBT = frozenset({"not_in_population", "data_differ", "maybe_same_person"})
#: The person is known and has no account that can be credited.
_NO_ACCOUNT = frozenset({"no_account", "account_not_usable"})


@dataclass(frozen=True, slots=True)
class Figure:
    """How many lines of a plan (entitlements), and how much in whole đồng."""

    count: int = 0
    amount_vnd: int = 0

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.count + other.count, self.amount_vnd + other.amount_vnd)


class Decision(NamedTuple):
    """What happens to a due; `channel` and `bank_code` are "" unless it is planned."""

    disposition: int
    reason: str
    channel: str = ""
    bank_code: str = ""


def decide(
    outcome: str,
    wants_cash: bool,
    without_account: WithoutAccount,
    account_bank: str | None,
    cash_bank: str | None,
) -> Decision:
    """What matching's `outcome` ("" when nobody has looked yet) means for a payment.

    `account_bank` is the configured bank that pays the person's account, `cash_bank` the one
    that pays at the counter; None where there is none. Without a usable account a person is
    paid in cash or put on the worklist, as the programme decides. An account that is in
    doubt (close or different name, several accounts) is held, unless the person asked for
    cash and the account is not needed.
    """
    if not outcome:
        return Decision(HELD, "not_matched")
    if outcome in _NOT_DUE:
        return Decision(EXCLUDED, outcome)
    if outcome in _IDENTITY_IN_DOUBT:
        return Decision(HELD, outcome)
    if wants_cash:
        return _in_cash(cash_bank)
    if outcome == "matched":
        if account_bank is None:
            return Decision(HELD, "no_bank_for_account")
        return Decision(PLANNED, "", "account", account_bank)
    if outcome in _NO_ACCOUNT:
        return _in_cash(cash_bank) if without_account is WithoutAccount.CASH else Decision(HELD, "worklist")
    return Decision(HELD, outcome)


def _in_cash(cash_bank: str | None) -> Decision:
    return Decision(HELD, "no_cash_channel") if cash_bank is None else Decision(PLANNED, "", "cash", cash_bank)


@dataclass(frozen=True, slots=True, eq=False)
class Dues:
    """One row a due; all columns are equally long.

    `person` is a row of the caller's persons, `programme` a row of its programmes in the
    order of their codes, `period` a month number. `obligation_id` is 0 for what is due for
    the first time, `generation` what the EndToEndId of a payment led by it has to carry;
    `follows` the line with which it was instructed last, 0 when it never was.
    `was_excluded` is True for what an earlier cycle left out already.
    """

    person: Int64
    programme: Int64
    period: Int64
    amount_vnd: Int64
    wants_cash: Bool
    rate_id: Int64
    obligation_id: Int64
    generation: Int64
    follows: Int64
    was_excluded: Bool

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: Int64 | Bool) -> Dues:
        return Dues(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def join_dues(parts: Sequence[Dues]) -> Dues:
    """All rows of at least one part, in order."""
    return Dues(*(np.concatenate([getattr(part, name) for part in parts]) for name in Dues.__dataclass_fields__))


class Stacked(NamedTuple):
    """Rows of dues that a higher one keeps out, and rows whose lower one was paid already."""

    excluded: Bool
    lower_already_paid: Bool


def stack(person: Int64, period: Int64, group: Int64, amount_vnd: Int64, rank: Int64, promised_vnd: Int64) -> Stacked:
    """Of programmes that exclude one another a person gets the higher one only, per period.

    Decree 176/2025 and Decree 20/2021: who is entitled to several gets the highest. `group`
    is −1 for what stands alone. Equal amounts go to the lower `rank`. `promised_vnd` is
    the highest amount that another cycle carries already for the same person, period and group
    (0 when none): what is not higher is excluded, and what is higher waits for an officer,
    because the lower one may have been paid.
    """
    excluded = np.zeros(len(person), dtype=np.bool_)
    rows = np.flatnonzero(group >= 0)
    order = rows[np.lexsort((rank[rows], -amount_vnd[rows], group[rows], period[rows], person[rows]))]
    if len(order):
        same = np.zeros(len(order), dtype=np.bool_)
        same[1:] = (
            (person[order][1:] == person[order][:-1])
            & (period[order][1:] == period[order][:-1])
            & (group[order][1:] == group[order][:-1])
        )
        excluded[order[same]] = True
    promised = promised_vnd > 0
    excluded |= promised & (promised_vnd >= amount_vnd)
    return Stacked(excluded, promised & ~excluded)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines of the plan: one row per person, programme, what happens to it and what it follows.

    `lead` is the row of the dues with the earliest period, which names the payment;
    `line_of_due` tells for every due on which line it rides. `follows` is 0 or the earlier
    line whose payment was not made: all dues of a line were on it.
    """

    person: Int64
    programme: Int64
    decision: Int64
    amount_vnd: Int64
    lead: Int64
    line_of_due: Int64
    follows: Int64

    def __len__(self) -> int:
        return len(self.person)


def draw_lines(dues: Dues, decision: Int64, decision_count: int) -> Lines:
    """Add up the dues of one person, programme and decision (a number below `decision_count`).

    What is paid again rides with nothing that was not on the same payment before: when the bank
    books that one after all, no other month is kept waiting with it (decision 0016).
    Lines are in the order of person, programme, decision and what they follow.
    """
    programmes = int(dues.programme.max(initial=0)) + 1
    key = (dues.person * programmes + dues.programme) * decision_count + decision
    # Within a line the earliest period comes first and leads.
    order = np.lexsort((dues.period, dues.follows, key))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (key[order][1:] != key[order][:-1]) | (dues.follows[order][1:] != dues.follows[order][:-1])
    line_of_due = np.empty(len(order), dtype=np.int64)
    line_of_due[order] = np.cumsum(starts) - 1
    lead = order[starts]
    amounts = np.zeros(len(lead), dtype=np.int64)
    np.add.at(amounts, line_of_due, dues.amount_vnd)
    return Lines(
        dues.person[lead], dues.programme[lead], decision[lead], amounts, lead, line_of_due, dues.follows[lead]
    )
